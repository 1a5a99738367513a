"""Writes the recordings of an export as CSV files: columns in the task data, or an http(s) address to download.

Their names are checked before the first of them is downloaded or written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from storage.errors import InputError
from storage.files import write_bytes
from storage.labels.export import ExportedTask
from storage.network.downloads import Downloads
from storage.printable import shortened
from storage.progress import track
from storage.s3.keys import case_collisions, key_problem, path_collisions
from storage.text import csv_text

FOLDER = "put the recordings into a folder, then: labeltrail import FOLDER --labels EXPORT.json"


@dataclass(frozen=True)
class ExportedRecordings:
    """Recordings by series key, and the tasks whose recording could not be read or downloaded, with the error."""

    files: dict[str, Path] = field(default_factory=dict)
    failed: list[tuple[ExportedTask, InputError]] = field(default_factory=list)


def write(tasks: Sequence[ExportedTask], folder: Path) -> ExportedRecordings:
    """Write the recordings of an export into `folder`; one that fails does not stop the others.

    Raises:
        InputError: the name of a recording is invalid, or two have the same one; nothing was written.
    """
    wanted = _by_key(task for task in tasks if task.columns is not None or _is_http(task.address))
    keys = {id(task): key for key, task in wanted.items()}
    result, downloads = ExportedRecordings(), Downloads()
    for task in track(tasks, "reading the export's recordings", len(tasks)):
        key = keys.get(id(task), "")
        path = folder / f"{key}.csv"
        try:
            if key and task.columns is not None:
                write_bytes(path, _csv(task))
            elif key:
                downloads.fetch(task.address, path, task.name)
            elif task.columns is None and not _is_http(task.address):
                raise _not_fetchable(task)
        except InputError as error:
            result.failed.append((task, error))
            continue
        if key:
            result.files[key] = path
    return result


def _by_key(tasks: Iterable[ExportedTask]) -> dict[str, ExportedTask]:
    """The first task of each recording, by its series key."""
    by_key: dict[str, ExportedTask] = {}
    for task in tasks:
        key = _key(task)
        first = by_key.setdefault(key, task)
        if (first.address, first.columns) != (task.address, task.columns):
            what = f"two tasks would have one series key, {shortened(repr(key))}"
            why = "a recording is called by the last part of its address"
            raise InputError(what, where=[first.name, task.name], why=why, cure=FOLDER)
    others = {
        key: f"macOS and Windows take it for {same[0]!r}"
        for same in case_collisions(by_key)
        for key in same[1:]
    }
    others |= {
        key: f"it would need a folder where {other!r} has a file"
        for key, other in path_collisions(by_key).items()
    }
    for key, why in others.items():
        what = f"a recording cannot be called {shortened(repr(key))}"
        raise InputError(what, where=by_key[key].name, why=why, cure=FOLDER)
    return by_key


def _key(task: ExportedTask) -> str:
    """The series key of a task's recording: its name without `.csv`."""
    # The part behind the last slash may hold percent-encoded slashes.
    last = urlsplit(task.address).path.rpartition("/")[2]
    name = task.address if task.columns is not None else unquote(last)
    key = name[:-4] if name.lower().endswith(".csv") else name
    why = "there is a slash in it" if "/" in key or "\\" in key else key_problem(key)
    if why:
        what = f"a recording of the export cannot be called {shortened(repr(key))}"
        raise InputError(what, where=task.name, why=f"{why}; nothing was written", cure=FOLDER)
    return key


def _is_http(address: str) -> bool:
    try:
        return urlsplit(address).scheme in ("http", "https")
    except ValueError:
        return False


def _csv(task: ExportedTask) -> bytes:
    columns: Mapping[str, Any] = task.columns or {}
    lengths = {name: len(values) if isinstance(values, list) else -1 for name, values in columns.items()}
    cure = "every column must be a list of numbers and texts, and all of one length"
    what = "the columns do not make a recording"
    if not columns or len(set(lengths.values())) > 1 or -1 in lengths.values():
        shown = [f"{shortened(name, 40)}: {'no list' if n < 0 else n}" for name, n in lengths.items()]
        raise InputError(what, where=task.name, why=", ".join(shown[:20]) or "no columns", cure=cure)
    for name, values in columns.items():
        if any(isinstance(value, list | dict) for value in values):
            why = f"{shortened(name, 40)}: a cell is a list or an object"
            raise InputError(what, where=task.name, why=why, cure=cure)
    return csv_text.dump_plain([list(columns), *zip(*columns.values(), strict=True)])


def _not_fetchable(task: ExportedTask) -> InputError:
    """The error for a recording that is at no http(s) address."""
    shown = shortened(task.address)
    why = f"{shown} is no http(s) address" if task.address else "its data names no recording"
    return InputError("the recording cannot be fetched", where=task.name, why=why, cure=FOLDER)
