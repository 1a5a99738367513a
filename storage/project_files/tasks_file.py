"""`data/tasks.jsonl`: task data of each series, such as the subject.

One line for each task, sorted by series: `{"data":{"subject":"user01"},"series":"exp01_user01"}`. It is in git
because splits depend on it. The recording's address, which differs from bucket to bucket, is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storage.errors import InputError
from storage.files import json_bytes, read_text, write_bytes
from storage.text.json_text import parse_json

PATH = Path("data/tasks.jsonl")
CURE = f"mend the line, or: git checkout {PATH}"


def read(path: Path = PATH) -> dict[str, dict[str, Any]]:
    """Task data by series key; empty where the file does not exist.

    Raises:
        InputError: a line is not a task; names the line.
    """
    return parse(read_text(path, CURE), str(path)) if path.exists() else {}


def parse(text: str, where: str) -> dict[str, dict[str, Any]]:
    """Task data by series key, from the text of the file.

    Raises:
        InputError: a line is not a task, or a series has two; names the line.
    """
    tasks: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), 1):
        line_place = f"{where}:{number}"
        series, data = parse_line(line, line_place)
        if series in tasks:
            raise InputError(
                "not a task", where=line_place, why=f"series {series!r} has one already", cure=CURE
            )
        tasks[series] = data
    return tasks


def parse_line(line: str, where: str) -> tuple[str, dict[str, Any]]:
    """Series key and task data of one line.

    Raises:
        InputError: it is no task.
    """
    try:
        value = parse_json(where, line.encode("utf-8", "surrogatepass"))
    except InputError as error:
        raise InputError("not a task", where=where, why=error.why, cure=CURE) from error
    series, data = (value.get("series"), value.get("data")) if isinstance(value, dict) else (None, None)
    if not isinstance(series, str) or not isinstance(data, dict):
        why = "it is no object with a text `series` and an object `data`"
        raise InputError("not a task", where=where, why=why, cure=CURE)
    return series, data


def write(tasks: Mapping[str, Mapping[str, Any]], path: Path = PATH) -> None:
    """Write the tasks, sorted by series."""
    lines = [json_bytes({"data": data, "series": series}) for series, data in sorted(tasks.items())]
    write_bytes(path, b"".join(lines), durable=True)
