"""`params.yaml`: validated against a pydantic model, and edited in place.

All problems are reported at once, with the descriptions of the model's fields. An edit keeps every other byte:
comments, order, notation of numbers.
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
        InputError: it does not exist, is not YAML, or has invalid values; names all of them.
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
        lines = [_problem_text(problem, model) for problem in problems[:MOST]]
        if len(problems) > MOST:
            lines.append(f"and {len(problems) - MOST:,} more")
        what = [f"{len(problems)} problem(s) in the params:", *lines]
        cure = f"mend them in {path}, then run the command again"
        raise InputError(what, where=str(path), cure=cure) from error


def _problem_text(problem: Any, model: type[BaseModel]) -> str:
    """One problem as text: field, value, what is allowed, what to do."""
    path = [shortened(str(part)) for part in problem["loc"]]
    name, value, kind = ".".join(path) or "params.yaml", problem["input"], problem["type"]
    if kind == "missing":
        return f"{name} is missing: {_description(path, model)}"
    if kind == "extra_forbidden":
        return f"{name} is not a param: delete it; {_siblings(path, model)}"
    if kind == "value_error":
        return f"{name}: {problem['ctx']['error']}"
    return f"{name} is {shortened(repr(value))}: it {_allowed(problem)}; {_description(path, model)}"


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


def _section(path: list[str], model: type[BaseModel]) -> type[BaseModel] | None:
    for part in path:
        field = model.model_fields.get(part)
        section = field.annotation if field else None
        if not (isinstance(section, type) and issubclass(section, BaseModel)):
            return None
        model = section
    return model


def _description(path: list[str], model: type[BaseModel]) -> str:
    section = _section(path[:-1], model)
    field = section.model_fields.get(path[-1]) if section and path else None
    if field is None:
        return "see stages/params.py"
    nested = _section(path, model)
    return field.description or (nested.__doc__ or "").splitlines()[0] if nested else field.description or ""


def _siblings(path: list[str], model: type[BaseModel]) -> str:
    section = _section(path[:-1], model)
    names = ", ".join(section.model_fields) if section else ""
    return f"there are: {names}" if names else "there is nothing to set here"


def put(path: Path, section: Sequence[str], values: Mapping[str, Any]) -> None:
    """Replace values of params in the file.

    Args:
        path: a valid file.
        section: names of the enclosing sections, outermost first.
        values: by name; all of them are in the file already.

    Raises:
        InputError: the edit would change other values too, for example with YAML anchors; nothing was written.
    """
    text = path.read_text(encoding="utf-8")
    wanted = yaml.safe_load(text)
    current = wanted
    for name in section:
        current = current[name]
    current |= values
    edited = text
    nodes = _entries(yaml.compose(text, Loader=yaml.SafeLoader), section)
    # From the last one to the first, so that positions stay valid.
    for name in sorted(values, key=lambda name: -nodes[name].start_mark.index):
        first, end = nodes[name].start_mark.index, nodes[name].end_mark.index
        space = "" if edited[first - 1 : first].isspace() else " "
        edited = edited[:first] + space + _scalar(values[name]) + edited[end:]
    if not _parses_as(edited, wanted):
        listed = "; ".join(f"{name}: {_scalar(value)}" for name, value in values.items())
        what = f"{path} cannot be changed by a program"
        why = f"{'.'.join(section)} is not written as one plain value after each name"
        raise InputError(what, where=str(path), why=why, cure=f"write these into it: {listed}")
    write_bytes(path, edited.encode(), durable=True)


def _parses_as(text: str, wanted: Any) -> bool:
    try:
        return bool(yaml.safe_load(text) == wanted)
    except yaml.YAMLError:
        return False


def _entries(node: Any, section: Sequence[str]) -> dict[str, Any]:
    """The nodes of values in a section, by name."""
    nodes = {key.value: value for key, value in node.value}
    return _entries(nodes[section[0]], section[1:]) if section else nodes


def _scalar(value: Any) -> str:
    """A value in YAML 1.1, where 3e-05 would be text and 3.0e-05 is a number."""
    return yaml.safe_dump([value], default_flow_style=True).strip()[1:-1]
