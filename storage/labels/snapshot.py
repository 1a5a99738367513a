"""The label snapshot: all annotations at one moment, as up to 256 sorted shards with canonical bytes.

A record is a Label Studio annotation without the fields that Label Studio changes by itself (counters,
"3 minutes ago", numeric ids of one server's tables); every other key is kept, known or not. The same labels
give the same bytes, in whatever order they came. Layout and example: docs/formats.md.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import filterfalse
from pathlib import Path
from typing import Any

from storage.errors import InputError
from storage.files import write_bytes
from storage.paths import LABELS
from storage.printable import shortened
from storage.s3.keys import shard_name
from storage.text.json_text import LONE_SURROGATE, well_formed

Record = dict[str, Any]

PATH = Path(LABELS)
SHARD = f"a file of {PATH}"
ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))
ESCAPING = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

# Ids of annotations and tasks are stored in SQLite, here and in Label Studio.
LARGEST_NUMBER = 2**63 - 1
LONGEST_NAME = 1000  # characters of a series key, an annotator or a label

# Fields that Label Studio rewrites by itself, or that have a meaning on one server only.
VOLATILE = frozenset({
    "bulk_created", "completed_by", "created_ago", "created_username", "draft_created_at", "id", "import_id",
    "last_action", "last_created_by", "project", "state", "task", "updated_by",
})  # fmt: skip
# Fields in which equal records may differ: saving without a change updates the times, and an annotation that is
# created again has no parents.
METADATA = frozenset({"created_at", "lead_time", "parent_annotation", "parent_prediction", "updated_at"})


def canonical(annotation: Mapping[str, Any], series: str, annotator: str) -> Record:
    """Make a record of an annotation from the bucket or the API.

    Args:
        annotation: the object that Label Studio's target storage wrote, or its API's response.
        series: key of the series that the annotation's task shows.
        annotator: e-mail address of the person who made it.

    Raises:
        InputError: it is no annotation of Label Studio; with the reason.
    """
    record = {key: value for key, value in annotation.items() if key not in VOLATILE and value is not None}
    record["series"], record["annotator"] = series, annotator
    record["was_cancelled"] = bool(annotation.get("was_cancelled"))
    record["ground_truth"] = bool(annotation.get("ground_truth"))
    why = _source_problem(annotation) or problem({**record, "id": ""})
    if why:
        number = annotation.get("id", "?")
        where = f"annotation {number if isinstance(number, int | str | None) else '?'} of series {series!r}"
        raise InputError("not an annotation", where=where, why=why)
    record["id"] = record_id(annotation["id"], annotation["created_at"])
    return record


def _source_problem(annotation: Mapping[str, Any]) -> str:
    moments = (annotation.get("created_at"), annotation.get("updated_at"))
    if annotation.get("id") is None or not all(isinstance(time, str) for time in moments):
        return "it lacks `id`, `created_at` or `updated_at`"
    if not is_number(annotation["id"]):
        return "its `id` is no number"
    flags = [name for name in ("was_cancelled", "ground_truth") if name in annotation]
    wrong = [name for name in flags if not isinstance(annotation[name], bool | None)]
    return f"`{wrong[0]}` is neither true nor false" if wrong else ""


def is_number(value: object, least: int = 1) -> bool:
    """Whether it can be the id of an annotation or a task, which is stored in 64 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST_NUMBER


def problem(record: Mapping[str, Any]) -> str:
    """Why an object is no label record; "" where it is one. Its `id` is not checked."""
    for name in ("series", "annotator"):
        if not isinstance(record.get(name), str) or len(record[name]) > LONGEST_NAME:
            return f"`{name}` is no text, or longer than {LONGEST_NAME} characters"
    result = record.get("result")
    if not isinstance(result, list) or not all(isinstance(item, dict) for item in result):
        return "`result` is not a list of regions"
    for name in ("created_at", "updated_at"):
        if parse_time(record.get(name)) is None:
            return f"`{name}` is no valid time: {shortened(repr(record.get(name)), 40)}"
    longest = max((len(label) for item in result for label in _labels(item)), default=0)
    return f"a label has {longest:,} characters, {LONGEST_NAME} at most" if longest > LONGEST_NAME else ""


def _labels(item: Mapping[str, Any]) -> list[str]:
    value = item.get("value")
    fields = value.items() if isinstance(value, dict) else ()
    lists = [found for name, found in fields if name.endswith("labels") or name == "choices"]
    return [label for found in lists if isinstance(found, list) for label in found if isinstance(label, str)]


def parse_time(text: object) -> datetime | None:
    """A time as Label Studio writes it, in UTC where it names no zone; None where it is invalid."""
    if not (isinstance(text, str) and text.isascii() and text.isprintable()):
        return None  # `fromisoformat` takes any character between date and time
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def record_id(annotation_id: int, created_at: str) -> str:
    """A unique id: another Label Studio counts from 1 again, but not at the same microsecond."""
    return f"{annotation_id}-{hashlib.md5(created_at.encode(), usedforsecurity=False).hexdigest()[:6]}"


def same(a: Record, b: Record) -> bool:
    """Whether two records are equal, apart from their METADATA.

    A lone surrogate equals U+FFFD, which Label Studio is sent in its place.
    """
    names = a.keys() - METADATA
    return names == b.keys() - METADATA and all(
        a[name] == b[name] or well_formed(a[name]) == well_formed(b[name]) for name in names
    )


def content(record: Record, annotator: str | None = None) -> str:
    """Content and annotator of a record as text: equal for an annotation that is created again with another id.

    Args:
        record: the annotation's.
        annotator: instead of the record's own.
    """
    author = record["annotator"] if annotator is None else annotator
    facts = {key: record[key] for key in ("series", "result", "was_cancelled", "ground_truth")}
    return json.dumps(well_formed(facts | {"annotator": author}), sort_keys=True)


def dump_shard(records: Iterable[Record]) -> bytes:
    """Lines sorted by (series, id), keys sorted, no blanks."""
    return b"".join(map(_line, sorted(records, key=_sort_key)))


def _line(record: Record) -> bytes:
    try:
        return ENCODER.encode(record).encode() + b"\n"
    except UnicodeEncodeError:  # a lone surrogate, from a browser that cut a text
        return ESCAPING.encode(record).encode() + b"\n"


def _sort_key(record: Record) -> tuple[str, str]:
    return record["series"], record["id"]


def parse_shard(data: bytes, where: str) -> list[Record]:
    """Read one shard.

    Raises:
        InputError: a line is not a record, or two have one id; names file and line.
    """
    lines = ((line, f"{where}:{number}") for number, line in enumerate(data.splitlines(), 1))
    return list(_by_id(lines).values())


def _by_id(lines: Iterable[tuple[bytes, str]]) -> dict[str, Record]:
    """The records of lines by id; each line comes with its place, for errors."""
    records: dict[str, Record] = {}
    for line, where in lines:
        record = _parse_line(line, where)
        if record["id"] in records:
            raise _not_a_record(where, f"two records have the id {shortened(record['id'])}")
        records[record["id"]] = record
    return records


def _parse_line(line: bytes, where: str) -> Record:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _not_a_record(where, f"{type(error).__name__}: {error}") from error
    why = _line_problem(record) if isinstance(record, dict) else "it is no JSON object"
    if why:
        raise _not_a_record(where, why)
    parsed: Record = record
    return parsed


def _not_a_record(where: str, why: str) -> InputError:
    cure = "dvc checkout --force data/labels.dvc, or labeltrail fsck where a label commit has it"
    return InputError("not a label record", where=where, why=why, cure=cure)


def _line_problem(record: Record) -> str:
    """Why a record of a snapshot is invalid; records that older versions accepted stay readable."""
    for name in ("series", "id", "annotator", "created_at", "updated_at"):
        if not isinstance(record.get(name), str):
            return f"`{name}` is no text"
    if LONE_SURROGATE.search(record["series"] + record["id"]):
        return "`series` or `id` holds a lone surrogate (half a character)"
    if not isinstance(record.get("result"), list) or not all(isinstance(i, dict) for i in record["result"]):
        return "`result` is not a list of regions"
    missing = [name for name in ("was_cancelled", "ground_truth") if name not in record]
    return f"it lacks `{missing[0]}`" if missing else ""


# -- a few records of a large shard ---------------------------------------------------------------


def find(data: bytes, names: Iterable[str]) -> dict[str, Record]:
    """Records of a shard by id; only their lines are parsed.

    Raises (also `edit` and `difference`):
        InputError: a parsed line is not a record.
    """
    _check_last_line(data)
    return {name: record for name in names for _, _, record in _lines_of(data, name)}


def edit(data: bytes, changes: Mapping[str, Record | None]) -> bytes:
    """A shard with records replaced, added and (None) removed; all other lines stay byte for byte."""
    _check_last_line(data)
    spans = sorted((start, end) for name in changes for start, end, _ in _lines_of(data, name))
    edges = [0, *(edge for span in spans for edge in span), len(data)]
    kept = b"".join(data[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True))
    added = sorted((record for record in changes.values() if record is not None), key=_sort_key)
    if len(added) > kept.count(b"\n"):
        return dump_shard([*added, *parse_shard(kept, SHARD)])
    parts, end = [], 0
    for record in added:
        position = _position(kept, end, _sort_key(record))
        parts += [kept[end:position], _line(record)]
        end = position
    return b"".join([*parts, kept[end:]])


def difference(before: bytes, after: bytes) -> Iterator[tuple[str, Record | None, Record | None]]:
    """Ids of the records whose lines differ between two versions of a shard, with both; parses no other line."""
    start, end = _common_ends(before, after)
    old, new = (data[start : len(data) - end].splitlines() for data in (before, after))
    alike = set(old) & set(new)
    sides = [filterfalse(alike.__contains__, side) for side in (old, new)]
    was, now = (_by_id((line, SHARD) for line in side) for side in sides)
    for name in sorted(was.keys() | now.keys()):
        yield name, was.get(name), now.get(name)


def _check_last_line(data: bytes) -> None:
    if data and not data.endswith(b"\n"):
        raise _not_a_record(SHARD, "its last line has no end: it was cut off")


def _position(data: bytes, low: int, sort_key: tuple[str, str]) -> int:
    """Binary search for the position of a record in sorted lines, at or after `low`."""
    high = len(data)
    while low < high:
        line_start = data.rfind(b"\n", low, (low + high) // 2) + 1 or low
        end = data.index(b"\n", line_start) + 1
        if _sort_key(_parse_line(data[line_start:end], SHARD)) < sort_key:
            low = end
        else:
            high = line_start
    return low


def _common_ends(a: bytes, b: bytes) -> tuple[int, int]:
    """Lengths of the common prefix and suffix of two texts, in whole lines."""
    most = min(len(a), len(b))
    start = _common_length(most, lambda low, high: a[low:high] == b[low:high])
    start = a.rfind(b"\n", 0, start) + 1
    end = _common_length(
        most - start, lambda low, high: a[len(a) - high : len(a) - low] == b[len(b) - high : len(b) - low]
    )
    line = a.find(b"\n", len(a) - end) + 1
    return start, len(a) - line if line else 0


def _common_length(most: int, alike: Callable[[int, int], bool]) -> int:
    """Length to which two texts are equal, by binary search: a hundred times as fast as splitting lines."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if alike(low, middle):
            low = middle
        else:
            high = middle - 1
    return low


def _lines_of(data: bytes, name: str) -> Iterator[tuple[int, int, Record]]:
    """Start, end and record of the line whose record has this id; regions in other lines may have the same id."""
    wanted = b'"id":' + json.dumps(name, ensure_ascii=False).encode()
    position = data.find(wanted)
    while position >= 0:
        start, end = data.rfind(b"\n", 0, position) + 1, data.index(b"\n", position) + 1
        record = _parse_line(data[start:end], SHARD)
        if record["id"] == name:
            yield start, end, record
            return
        position = data.find(wanted, end)


# -- all of them ----------------------------------------------------------------------------------


def dump(records: Iterable[Record]) -> dict[str, bytes]:
    """All shards of a snapshot, by file name; a shard without records does not exist."""
    shards: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        shards[shard_name(record["series"])].append(record)
    return {name: dump_shard(shards[name]) for name in sorted(shards)}


def write(folder: Path, shards: Mapping[str, bytes]) -> None:
    """Write these shards to the folder, and remove those that are empty; others stay.

    A file is replaced, not overwritten: DVC links work tree and cache, so that writing would change the cache too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left_over in folder.glob("*.part"):
        left_over.unlink()
    for name, data in shards.items():
        if data:
            write_bytes(folder / name, data, durable=True)
        else:
            (folder / name).unlink(missing_ok=True)


def read(folder: Path = PATH) -> dict[str, list[Record]]:
    """The records of each series, sorted by id.

    Raises:
        InputError: a line is not a record.
    """
    series: dict[str, list[Record]] = defaultdict(list)
    for path in sorted(folder.glob("??.jsonl")):
        for record in parse_shard(path.read_bytes(), str(path)):
            series[record["series"]].append(record)
    return {key: series[key] for key in sorted(series)}
