"""Validates each field of a Label Studio export before it is imported; an error names the task and the field."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from storage.errors import InputError
from storage.labels.snapshot import LARGEST_NUMBER, LONGEST_NAME
from storage.printable import shortened
from storage.s3.keys import CONTROL
from storage.text.json_text import LONE_SURROGATE, has_lone_surrogate, whole_number

CURE = "export the project from Label Studio anew, as JSON, or mend this field; nothing was changed"
LONGEST_EMAIL = 254  # characters

Rule = tuple[Callable[[Any], bool], str]


def _optional(kind: type | tuple[type, ...], fault: str) -> Rule:
    return (lambda value: value is None or isinstance(value, kind)), fault


def is_number(value: Any) -> bool:
    """Whether it is a number within the supported range."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_NUMBER


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME


def _is_person(value: Any) -> bool:
    if isinstance(value, dict):
        email, number = value.get("email"), value.get("id")
        return (email is not None or number is not None) and (
            (email is None or _is_email(email)) and (number is None or _is_account(number))
        )
    return _is_email(value) or _is_account(value)


def _is_email(value: Any) -> bool:
    is_text = isinstance(value, str) and len(value) <= LONGEST_EMAIL
    return is_text and "@" in value and not CONTROL.search(value)


def _is_account(value: Any) -> bool:
    """The id of an account; in a flat export it is text."""
    if isinstance(value, str):
        return whole_number(value) is not None
    return _is_id(value)


def _is_time(value: Any) -> bool:
    return value is None or is_number(value) or (isinstance(value, str) and len(value) <= LONGEST_NAME)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(_is_name(item) for item in value)


def _are_choices(value: Any) -> bool:
    """Names; of nested choices the path of names."""
    return isinstance(value, list) and all(
        _is_name(item) or (bool(item) and _are_names(item)) for item in value
    )


ID: Rule = (lambda value: value is None or _is_id(value), "no number of a task or annotation")
LIST = _optional(list, "no list")
TASK: Mapping[str, Rule] = {
    "id": ID,
    "data": (lambda value: isinstance(value, dict), "no object with the task's data"),
    "annotations": LIST,
    "completions": LIST,
    "predictions": LIST,
    "drafts": LIST,
}
ANNOTATION: Mapping[str, Rule] = {
    "id": ID,
    "result": LIST,
    "completed_by": (
        lambda value: value is None or _is_person(value),
        "neither a number nor an e-mail address, nor an object with one of the two",
    ),
    "was_cancelled": _optional(bool, "neither true nor false"),
    "ground_truth": _optional(bool, "neither true nor false"),
    "lead_time": (lambda value: value is None or is_number(value), "no number of seconds"),
    "created_at": _optional(str, "no text"),
}
NAME: Rule = (lambda value: value is None or _is_name(value), f"no text of 1 to {LONGEST_NAME} characters")
ITEM: Mapping[str, Rule] = {
    "id": NAME,
    "from_name": NAME,
    "to_name": NAME,
    "type": NAME,
    "value": _optional(dict, "no object"),
}
VALUE: Mapping[str, Rule] = {
    "start": (_is_time, "no time"),
    "end": (_is_time, "no time"),
    "instant": _optional(bool, "neither true nor false"),
    "choices": (_are_choices, f"no list of choices of 1 to {LONGEST_NAME} characters"),
    "timeserieslabels": (_are_names, f"no list of labels of 1 to {LONGEST_NAME} characters"),
}


def check(task: Any, where: str) -> None:
    """Check one task of an export.

    Raises:
        InputError: it is invalid; names the first such field.
    """
    if not isinstance(task, dict):
        raise _error(where, "it", "no object", task)
    for field, value, (is_valid, fault) in _fields(task):
        if not is_valid(value):
            raise _error(where, field, fault, value)
    if has_lone_surrogate(task):
        field = next(_lone_surrogates("", task), "it")
        raise InputError(
            "the export cannot be used",
            where=where,
            why=f"`{shortened(field)}` holds a lone surrogate (half a character), which Label Studio cannot keep",
            cure=CURE,
        )


def _error(where: str, field: str, fault: str, value: Any) -> InputError:
    shown = shortened(repr(value)[:300], 60)
    what = "the export cannot be used"
    return InputError(what, where=where, why=f"`{field}` is {fault}: {shown}", cure=CURE)


def _fields(task: Mapping[str, Any]) -> Iterator[tuple[str, Any, Rule]]:
    """Path, value and rule of each field that has a rule; an object comes before its fields."""
    yield from _with_rules("", {"data": None, **task}, TASK)
    for name in ("annotations", "completions"):
        for number, annotation in enumerate(task.get(name) or ()):
            path = f"{name}[{number}]"
            yield path, annotation, (lambda value: isinstance(value, dict), "no annotation")
            yield from _with_rules(path, annotation, ANNOTATION)
            for position, item in enumerate(annotation.get("result") or ()):
                item_path = f"{path}.result[{position}]"
                yield item_path, item, (lambda value: isinstance(value, dict), "no region or choice")
                yield from _with_rules(item_path, item, ITEM)
                yield from _with_rules(f"{item_path}.value", item.get("value") or {}, VALUE)


def _with_rules(
    path: str, values: Mapping[str, Any], rules: Mapping[str, Rule]
) -> Iterator[tuple[str, Any, Rule]]:
    for name, rule in rules.items():
        if name in values:
            yield f"{path}.{name}".lstrip("."), values[name], rule


def _lone_surrogates(path: str, value: Any) -> Iterator[str]:
    """Paths of the texts that hold a lone surrogate."""
    if isinstance(value, str):
        if LONE_SURROGATE.search(value):
            yield path
    elif isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in pairs:
            yield from _lone_surrogates(str(name), str(name))
            yield from _lone_surrogates(f"{path}.{name}".lstrip("."), inner)
