"""Label Studio's flat exports, JSON_MIN, CSV and TSV, converted to the form of its JSON export.

A row is an annotation: the task data, and for each control tag the values of its regions, without ids and tags.
Skipped annotations, ground truth, predictions and drafts are missing (source: label_studio_sdk/converter of Label
Studio 1.23.2).
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

from storage.errors import InputError
from storage.label_studio.label_config import LabelConfig
from storage.labels.export_address import is_address
from storage.printable import shortened
from storage.text.json_text import parse_json, whole_number

# Columns that are neither task data nor results.
FIELDS = frozenset({
    "id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement", "history",
})  # fmt: skip
REQUIRED = frozenset({"annotator", "annotation_id"})
LONGEST_CELL = 1 << 30  # characters: a cell may hold a recording
Row = Mapping[str, Any]


def is_flat(rows: list[Any]) -> bool:
    """Whether these are the rows of a flat export."""
    return bool(rows) and all(isinstance(row, dict) and row.keys() >= REQUIRED for row in rows)


def read_table(where: str, data: bytes) -> list[dict[str, Any]]:
    """The rows of a CSV or TSV export.

    Raises:
        InputError: it is no such export.
    """
    what, cure = "the export cannot be read", "export the project from Label Studio as JSON"
    try:
        text = data.decode("utf-8-sig")
        separator = "\t" if "\t" in text.partition("\n")[0] else ","
        before = csv.field_size_limit(LONGEST_CELL)
        try:
            reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
            rows, names = list(reader), list(reader.fieldnames or ())
        finally:
            csv.field_size_limit(before)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(what, where=where, why=str(error), cure=cure) from error
    if not rows or not rows[0].keys() >= REQUIRED:
        why = "its first line does not name the columns annotation_id and annotator"
        raise InputError("not a Label Studio export", where=where, why=why, cure=cure)
    duplicates = [name for name in names if names.count(name) > 1]
    uneven = [n for n, row in enumerate(rows, 2) if None in row or None in row.values()]
    if duplicates or uneven:
        twice = f"its first line names the column {shortened(duplicates[0], 60)} twice" if duplicates else ""
        why = twice or f"row {uneven[0]} has another number of cells than the first line"
        raise InputError(what, where=where, why=why, cure=cure)
    return [
        {name: _cell(where, name, cell) for name, cell in row.items() if cell != ""}
        | {name: None for name in REQUIRED if row[name] == ""}
        for row in rows
    ]


def _cell(where: str, name: str, cell: str) -> Any:
    number = whole_number(cell) if name in ("id", "annotation_id") else None
    if number is not None:
        return number
    if name == "lead_time":
        try:
            return float(cell)
        except ValueError:
            return cell
    if cell[0] in "[{":
        try:
            return parse_json(where, cell.encode())
        except (InputError, UnicodeEncodeError):
            return cell
    return cell


def tasks(rows: Iterable[Row], config: LabelConfig | None) -> list[dict[str, Any]]:
    """The tasks of a flat export, each with its annotations, the oldest first.

    Args:
        rows: of the export.
        config: names the columns that hold results; without it they are recognised by their values.
    """
    by_key: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(rows, 1):
        values = {name: value for name, value in row.items() if name not in FIELDS}
        results = {name for name, value in values.items() if _is_result_column(name, value, config)}
        data = {name: value for name, value in values.items() if name not in results}
        # In the concatenated exports of two projects task ids repeat.
        addresses = sorted(value for value in data.values() if is_address(value))
        key = str((row.get("id", f"row {number}"), addresses))
        task = by_key.setdefault(key, {"id": row.get("id"), "data": data, "annotations": []})
        if row["annotation_id"] is not None:
            items = {name: _items(name, row[name], row, config) for name in sorted(results)}
            task["annotations"].append({
                "id": row["annotation_id"],
                "completed_by": row["annotator"],
                "created_at": row.get("created_at"),
                "lead_time": row.get("lead_time"),
                "result": [item for found in items.values() for item in found],
                "lost": [name for name, found in items.items() if row[name] and not found],
            })  # fmt: skip
    for task in by_key.values():
        if all(isinstance(a["created_at"], str) for a in task["annotations"]):
            task["annotations"].sort(key=lambda annotation: annotation["created_at"])
    return list(by_key.values())


def _is_result_column(name: str, value: Any, config: LabelConfig | None) -> bool:
    if config is not None and name in config.controls:
        return True
    values = value if isinstance(value, list) else [value]
    return any(isinstance(item, dict) and isinstance(item.get("timeserieslabels"), list) for item in values)


def _items(name: str, value: Any, row: Row, config: LabelConfig | None) -> list[dict[str, Any]]:
    """Regions or choices as in a JSON export; values of another kind are left out."""
    takes_choices = config is not None and config.has_choices(name)
    values = value if isinstance(value, list) else [value]
    items = []
    for position, entry in enumerate(values):
        if isinstance(entry, dict) and isinstance(entry.get("timeserieslabels"), list):
            kind, content = "timeserieslabels", entry
        elif takes_choices and isinstance(entry, dict) and isinstance(entry.get("choices"), list):
            kind, content = "choices", entry
        elif takes_choices and isinstance(entry, str):
            kind, content = "choices", {"choices": [entry]}
        else:
            continue
        # The same id at every import, so that a region that was imported before is recognised.
        seed = json.dumps([row["annotation_id"], name, position, content], sort_keys=True, default=str)
        items.append({
            "id": hashlib.md5(seed.encode(errors="replace"), usedforsecurity=False).hexdigest()[:10],
            "from_name": name,
            "to_name": config.object_tag if config else "ts",
            "type": kind,
            "value": content,
        })  # fmt: skip
    return items
