"""Recordings that an export brings along: columns inside the task data, or an http(s) address to fetch from.

Both become CSV files, and from there on recordings like any other: in the bucket, versioned, shown by Label Studio
through its source storage.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

from storage.errors import InputError
from storage.export import ExportedTask
from storage.files import write_bytes
from storage.progress import track

PATIENCE = 20  # seconds without a byte


@dataclass(frozen=True)
class Carried:
    """Recordings by series key, and the tasks whose recording could not be had, with the reason."""

    files: dict[str, Path] = field(default_factory=dict)
    lost: list[tuple[str, InputError]] = field(default_factory=list)


def write(tasks: Sequence[ExportedTask], folder: Path) -> Carried:
    """Write the recordings of an export into `folder`; one that cannot be had does not stop the others."""
    carried = Carried()
    for task in track(tasks, "reading the export's recordings", len(tasks)):
        key = unquote(PurePosixPath(urlsplit(task.address).path).stem)
        try:
            data = _csv(task) if task.columns is not None else _fetch(task)
        except InputError as error:
            carried.lost.append((task.name, error))
            continue
        path = folder / f"{key}.csv"
        write_bytes(path, data)
        carried.files[key] = path
    return carried


def _csv(task: ExportedTask) -> bytes:
    columns: Mapping[str, Any] = task.columns or {}
    lengths = {name: len(values) if isinstance(values, list) else -1 for name, values in columns.items()}
    if not columns or len(set(lengths.values())) > 1 or -1 in lengths.values():
        why = ", ".join(f"{name}: {'no list' if n < 0 else n}" for name, n in lengths.items()) or "no columns"
        cure = "every column must be a list, and all of one length"
        raise InputError("the columns do not make a recording", where=task.name, why=why, cure=cure)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(_cells(zip(*columns.values(), strict=True)))
    return text.getvalue().encode()


def _cells(rows: Iterable[tuple[Any, ...]]) -> Iterable[list[Any]]:
    return (["" if cell is None else cell for cell in row] for row in rows)


def _fetch(task: ExportedTask) -> bytes:
    if urlsplit(task.address).scheme not in ("http", "https"):
        why = f"{task.address} is no http(s) address"
        cure = "import the folder with the recordings: labeltrail import FOLDER --labels EXPORT.json"
        raise InputError("the recording cannot be fetched", where=task.name, why=why, cure=cure)
    try:
        with urlopen(task.address, timeout=PATIENCE) as answer:  # noqa: S310 -- the scheme was looked at
            data: bytes = answer.read()
    except (OSError, HTTPException) as error:
        cure = "check the address, or import the folder with the recordings"
        raise InputError(
            "the recording cannot be fetched", where=task.name, why=str(error), cure=cure
        ) from error
    return data
