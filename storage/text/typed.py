"""Validates JSON files against dataclasses, strictly: types are not converted, numbers are finite and within bounds.

An error names the place in the file and what is allowed there.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, create_model

from storage.errors import InputError
from storage.files import read_json
from storage.printable import shortened

Kind = TypeVar("Kind")
# A number of timepoints, windows or classes.
Count = Annotated[int, Field(ge=0, le=2**40)]
# Of a network: units, filters, timepoints of a kernel.
Size = Annotated[int, Field(ge=1, le=2**24)]
Positive = Annotated[float, Field(gt=0, lt=1e15)]
Share = Annotated[float, Field(ge=0, le=1)]
STRICT = ConfigDict(strict=True, allow_inf_nan=False, extra="ignore")


def read(path: Path, version: int, kind: type[Kind], cure: str, remake: str = "") -> Kind:
    """Read a JSON object with a `version` as `kind`.

    Args:
        path: the file.
        version: the newest supported version.
        kind: a dataclass.
        cure: the command that makes the file.
        remake: the command that makes an invalid file again; "": the same.

    Raises:
        InputError: it does not exist, is newer than supported, or invalid.
    """
    return check(kind, read_json(path, version, cure), str(path), remake or cure)


def check(kind: type[Kind], value: Any, where: str, cure: str) -> Kind:
    """A JSON object as `kind`; unknown keys are ignored.

    Raises:
        InputError: it is invalid.
    """
    try:
        # As text: in strict mode only JSON converts a list to a tuple.
        adapter = _adapter(kind)  # type: ignore[arg-type]
        checked: Kind = adapter.validate_json(json.dumps({"value": value})).value
    except (ValidationError, ValueError, RecursionError) as error:
        what = f"{where} is invalid"
        raise InputError(what, where=where, why=_reason(error), cure=cure) from error
    return checked


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(create_model("File", __config__=STRICT, value=(kind, ...)))


def _reason(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return shortened(f"{type(error).__name__}: {error}")
    first, *more = error.errors(include_url=False, include_input=False)
    path = ".".join(str(part) for part in first["loc"][1:])
    others = f" (and {len(more):,} more)" if more else ""
    return f"{shortened(path) or 'it'}: {shortened(first['msg'])}{others}"
