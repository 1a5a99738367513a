"""Label Studio's flat exports, JSON_MIN, CSV and TSV, converted to the form of its JSON export.

A row is an annotation: the task data, and for each control tag the values of its regions, without their ids and tags.
Skipped annotations, ground truth, predictions and drafts are not in it (source: label_studio_sdk/converter of Label
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

# What stands in every row beside task data and results.
OWN = frozenset({
    "id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement", "history",
})  # fmt: skip
NEEDED = frozenset({"annotator", "annotation_id"})
LONGEST_CELL = 1 << 30  # characters: a recording may be in one
Row = Mapping[str, Any]


def is_flat(rows: list[Any]) -> bool:
    """Whether these are the rows of a flat export."""
    return bool(rows) and all(isinstance(row, dict) and row.keys() >= NEEDED for row in rows)


def read_table(where: str, data: bytes) -> list[dict[str, Any]]:
    """The rows of a CSV or TSV export.

    Raises:
        InputError: it is no such export.
    """
    cure = "export the project from Label Studio as JSON"
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
        raise InputError("the export cannot be read", where=where, why=str(error), cure=cure) from error
    if not rows or not rows[0].keys() >= NEEDED:
        why = "its first line does not name the columns annotation_id and annotator"
        raise InputError("not a Label Studio export", where=where, why=why, cure=cure)
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        why = f"its first line names the column {shortened(twice[0], 60)} twice"
        raise InputError("the export cannot be read", where=where, why=why, cure=cure)
    uneven = [n for n, row in enumerate(rows, 2) if None in row or None in row.values()]
    if uneven:
        why = f"row {uneven[0]} has another number of cells than the first line"
        raise InputError("the export cannot be read", where=where, why=why, cure=cure)
    return [
        {name: _cell(where, name, cell) for name, cell in row.items() if cell != ""}
        | {name: None for name in NEEDED if row[name] == ""}
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
        config: which of the columns hold results, and of which tag; found by their values where there is none.
    """
    found: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(rows, 1):
        results = {
            name for name, value in row.items() if name not in OWN and _is_result_column(name, value, config)
        }
        data = {name: value for name, value in row.items() if name not in OWN and name not in results}
        # Tables of two projects, one put below the other, count their tasks from 1 each.
        addresses = sorted(value for value in data.values() if is_address(value))
        key = str((row.get("id", f"row {number}"), addresses))
        task = found.setdefault(key, {"id": row.get("id"), "data": data, "annotations": []})
        if row["annotation_id"] is not None:
            result = [item for name in sorted(results) for item in _items(name, row[name], row, config)]
            lost = sorted(name for name in results if not _items(name, row[name], row, config) and row[name])
            task["annotations"].append({
                "id": row["annotation_id"],
                "completed_by": row["annotator"],
                "created_at": row.get("created_at"),
                "lead_time": row.get("lead_time"),
                "result": result,
                "lost": lost,
            })  # fmt: skip
    for task in found.values():
        if all(isinstance(a["created_at"], str) for a in task["annotations"]):
            task["annotations"].sort(key=lambda annotation: annotation["created_at"])
    return list(found.values())


def _is_result_column(name: str, value: Any, config: LabelConfig | None) -> bool:
    if config is not None and name in config.controls:
        return True
    values = value if isinstance(value, list) else [value]
    return any(isinstance(item, dict) and isinstance(item.get("timeserieslabels"), list) for item in values)


def _items(name: str, value: Any, row: Row, config: LabelConfig | None) -> list[dict[str, Any]]:
    """Regions or choices, in the JSON export's form; none where the values are of another kind."""
    whole = config is not None and config.has_choices(name)
    values = value if isinstance(value, list) else [value]
    items = []
    for place, found in enumerate(values):
        if isinstance(found, dict) and isinstance(found.get("timeserieslabels"), list):
            kind, content = "timeserieslabels", found
        elif whole and isinstance(found, dict) and isinstance(found.get("choices"), list):
            kind, content = "choices", found
        elif whole and isinstance(found, str):
            kind, content = "choices", {"choices": [found]}
        else:
            continue
        # The same id at every import, so that a region that is there already is recognised.
        seed = json.dumps([row["annotation_id"], name, place, content], sort_keys=True, default=str)
        items.append({
            "id": hashlib.md5(seed.encode(errors="replace"), usedforsecurity=False).hexdigest()[:10],
            "from_name": name,
            "to_name": config.object_tag if config else "ts",
            "type": kind,
            "value": content,
        })  # fmt: skip
    return items
