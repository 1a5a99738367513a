"""`data/tasks.jsonl`: what the project knows of each series beside its recording, such as the subject.

A line a task, sorted by series: `{"data":{"subject":"user01"},"series":"exp01_user01"}`. In git, because splits
depend on it. The recording's address is not in it: it differs from bucket to bucket.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storage.errors import InputError
from storage.files import json_bytes, write_bytes

PATH = Path("data/tasks.jsonl")


def read(path: Path = PATH) -> dict[str, dict[str, Any]]:
    """Task data by series key; empty where the file does not exist.

    Raises:
        InputError: a line is not a task; names the line.
    """
    return parse(path.read_text(encoding="utf-8"), str(path)) if path.exists() else {}


def parse(text: str, where: str) -> dict[str, dict[str, Any]]:
    """Task data by series key, from the text of the file.

    Raises:
        InputError: a line is not a task; names the line.
    """
    tasks: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), 1):
        try:
            value = json.loads(line)
            tasks[value["series"]] = dict(value["data"])
        except (ValueError, KeyError, TypeError) as error:
            why = f"{type(error).__name__}: {error}"
            cure = f"mend the line, or: git checkout {PATH}"
            raise InputError("not a task", where=f"{where}:{number}", why=why, cure=cure) from error
    return tasks


def write(tasks: Mapping[str, Mapping[str, Any]], path: Path = PATH) -> None:
    """Write the tasks, sorted by series."""
    lines = [json_bytes({"data": data, "series": series}) for series, data in sorted(tasks.items())]
    write_bytes(path, b"".join(lines), durable=True)
