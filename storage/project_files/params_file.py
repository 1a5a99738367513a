"""`params.yaml`: read against a model of what it may hold, and edited in place.

All problems are reported at once, with the descriptions of the model's fields. An edit leaves every other byte as it
was: comments, order, spelling of numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from storage.errors import InputError
from storage.files import write_bytes
from storage.printable import argument, shortened
from storage.text.yaml_text import read_yaml

Model = TypeVar("Model", bound=BaseModel)
MOST = 50  # problems that are listed


def load(path: Path, model: type[Model]) -> Model:
    """Read and check the file.

    Raises:
        InputError: it is not there, is not YAML, or has values that are not allowed; names all of them.
    """
    try:
        value = read_yaml(path, f"mend {path}, or: git checkout {argument(path)}")
    except FileNotFoundError as error:
        where, cure = str(path), f"git checkout {path}"
        raise InputError("this project has no params", where=where, cure=cure) from error
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = error.errors()
        lines = [_in_words(problem, model) for problem in problems[:MOST]]
        if len(problems) > MOST:
            lines.append(f"and {len(problems) - MOST:,} more")
        what = [f"{len(problems)} problem(s) in the params:", *lines]
        cure = f"mend them in {path}, then run the command again"
        raise InputError(what, where=str(path), cure=cure) from error


def _in_words(problem: Any, model: type[BaseModel]) -> str:
    """One problem as: field: what is there, what is allowed, what to do."""
    place = [shortened(str(part)) for part in problem["loc"]]
    name, found, kind = ".".join(place) or "params.yaml", problem["input"], problem["type"]
    if kind == "missing":
        return f"{name} is missing: {_description(place, model)}"
    if kind == "extra_forbidden":
        return f"{name} is not a param: delete it; {_siblings(place, model)}"
    if kind == "value_error":
        return f"{name}: {problem['ctx']['error']}"
    return f"{name} is {shortened(repr(found))}: it {_allowed(problem)}; {_description(place, model)}"


def _allowed(problem: Any) -> str:
    context = problem.get("ctx", {})
    bounds = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
    for key, words in bounds.items():
        if key in context:
            return f"must be {words} {context[key]:g}"
    if "expected" in context:
        return f"must be {context['expected']}"
    kinds = {"int": "a whole number", "float": "a number", "bool": "true or false", "string": "text"}
    word = kinds.get(problem["type"].partition("_")[0], "a section with keys below it")
    return f"must be {word}"


def _section(place: list[str], model: type[BaseModel]) -> type[BaseModel] | None:
    for part in place:
        field = model.model_fields.get(part)
        if (
            field is None
            or not isinstance(field.annotation, type)
            or not issubclass(field.annotation, BaseModel)
        ):
            return None
        model = field.annotation
    return model


def _description(place: list[str], model: type[BaseModel]) -> str:
    section = _section(place[:-1], model)
    field = section.model_fields.get(place[-1]) if section and place else None
    if field is None:
        return "see stages/params.py"
    nested = _section(place, model)
    return field.description or (nested.__doc__ or "").splitlines()[0] if nested else field.description or ""


def _siblings(place: list[str], model: type[BaseModel]) -> str:
    section = _section(place[:-1], model)
    names = ", ".join(section.model_fields) if section else ""
    return f"there are: {names}" if names else "there is nothing to set here"


def put(path: Path, section: Sequence[str], values: Mapping[str, Any]) -> None:
    """Write values of params into the file, where their present ones stand.

    Args:
        path: a file that `load` takes.
        section: names of the sections around them, outermost first.
        values: by name; all of them are there already.

    Raises:
        InputError: the file is written in a way (anchors) that would change more than these; it is left alone.
    """
    text = path.read_text(encoding="utf-8")
    wanted = yaml.safe_load(text)
    place = wanted
    for name in section:
        place = place[name]
    place |= values
    edited = text
    nodes = _entries(yaml.compose(text, Loader=yaml.SafeLoader), section)
    for node, value in sorted(
        ((nodes[name], value) for name, value in values.items()), key=lambda pair: -pair[0].start_mark.index
    ):
        first, end = node.start_mark.index, node.end_mark.index
        space = "" if edited[first - 1 : first].isspace() else " "
        edited = edited[:first] + space + _scalar(value) + edited[end:]
    if not _says(edited, wanted):
        listed = "; ".join(f"{name}: {_scalar(value)}" for name, value in values.items())
        what = f"{path} cannot be changed by a program"
        why = f"{'.'.join(section)} is not written as one plain value after each name"
        raise InputError(what, where=str(path), why=why, cure=f"write these into it: {listed}")
    write_bytes(path, edited.encode(), durable=True)


def _says(text: str, wanted: Any) -> bool:
    try:
        return bool(yaml.safe_load(text) == wanted)
    except yaml.YAMLError:
        return False


def _entries(node: Any, section: Sequence[str]) -> dict[str, Any]:
    """The nodes of values in a section, by name."""
    found = {key.value: value for key, value in node.value}
    return _entries(found[section[0]], section[1:]) if section else found


def _scalar(value: Any) -> str:
    """As YAML 1.1 writes it: 3e-05 would be text there, 3.0e-05 is a number."""
    return yaml.safe_dump([value], default_flow_style=True).strip()[1:-1]
