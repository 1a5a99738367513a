"""`params.yaml` against a model of what it may hold: every problem at once, in the words of the model's fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from storage.errors import InputError
from storage.printable import argument, shortened
from storage.text.yaml_text import read_yaml

Model = TypeVar("Model", bound=BaseModel)
MOST = 50  # problems that are told at once


def load(path: Path, model: type[Model]) -> Model:
    """Read and check the file.

    Raises:
        InputError: it is not there, is not YAML, or has values that are not allowed; names all of them.
    """
    try:
        value = read_yaml(path, f"mend {path}, or: git checkout {argument(path)}")
    except FileNotFoundError as error:
        raise InputError(
            "this project has no params", where=str(path), cure=f"git checkout {path}"
        ) from error
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = error.errors()
        lines = [_in_words(problem, model) for problem in problems[:MOST]]
        if len(problems) > MOST:
            lines.append(f"and {len(problems) - MOST:,} more")
        what = [f"{len(problems)} problem(s) in the params:", *lines]
        raise InputError(
            what, where=str(path), cure=f"mend them in {path}, then run the command again"
        ) from error


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
