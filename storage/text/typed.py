"""JSON that a stage reads, checked against a dataclass: a clone or a cache may be somebody else's.

Types are those of the class, to the letter: a whole number is no text and no truth value, a number is finite, and a
bound that a field names holds. What does not fit is an error with the place in the file and what is allowed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, create_model

from storage.errors import InputError
from storage.files import read_json
from storage.printable import shortened

Kind = TypeVar("Kind")
# A number of timepoints, windows, classes: more than any recording has, and no more than an index takes.
Count = Annotated[int, Field(ge=0, le=2**40)]
# Of a network: units, filters, timepoints of a kernel.
Size = Annotated[int, Field(ge=1, le=2**24)]
Positive = Annotated[float, Field(gt=0, lt=1e15)]
Share = Annotated[float, Field(ge=0, le=1)]
STRICT = ConfigDict(strict=True, allow_inf_nan=False, extra="ignore")
_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def read(path: Path, version: int, kind: type[Kind], cure: str, remake: str = "") -> Kind:
    """Read a JSON object that carries a `version` as `kind`.

    Args:
        path: the file.
        version: the newest that is known.
        kind: a dataclass.
        cure: the command that makes the file.
        remake: the command that makes it where a file is there that nothing can be done with; "": the same.

    Raises:
        InputError: it is not there, newer than known, or not what `kind` says.
    """
    return check(kind, read_json(path, version, cure), str(path), remake or cure)


def check(kind: type[Kind], value: Mapping[str, Any], where: str, cure: str) -> Kind:
    """A JSON object as `kind`; names that `kind` lacks are passed over.

    Raises:
        InputError: it is not what `kind` says.
    """
    try:
        # As text, for there a list may become a tuple where everything else is strict.
        found: Kind = _adapter(kind).validate_json(json.dumps({"value": value})).value
    except (ValidationError, ValueError, RecursionError) as error:
        what = f"{where} is not as it must be"
        raise InputError(what, where=where, why=_reason(error), cure=cure) from error
    return found


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(create_model("File", __config__=STRICT, value=(kind, ...)))
    return _adapters[kind]


def _reason(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return shortened(f"{type(error).__name__}: {error}")
    first, *more = error.errors(include_url=False, include_input=False)
    place = ".".join(str(part) for part in first["loc"][1:])
    others = f" (and {len(more):,} more)" if more else ""
    return f"{shortened(place) or 'it'}: {shortened(first['msg'])}{others}"
