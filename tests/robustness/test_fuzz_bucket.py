"""Fuzz targets: what somebody can put into the bucket, read by what reads it, and whatever works on it afterwards."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
from hypothesis import strategies as st

from pipelines.history import formatting
from pipelines.sync.apply import group_of
from stages.classification import targets as classification_targets
from stages.segmentation import targets
from storage.errors import InputError, LabeltrailError
from storage.files import dir_listing, md5_bytes
from storage.label_studio import label_config  # fmt: skip
from storage.label_studio.client import LabelStudio
from storage.labels import conflicts, diff, git_drivers, label_changes, label_store, snapshot
from storage.labels.annotation_merge import merge_records
from storage.labels.snapshot import Record
from storage.labels.three_way import Change
from storage.printable import UNSAFE, dump_json
from storage.project_files import splits_file, tasks_file
from storage.remote import sync_state
from storage.remote.annotations import Annotations
from storage.remote.identity import number_for
from storage.remote.remote import Remote
from storage.repo import dvc_listing
from storage.s3 import keys
from storage.s3.bucket import Bucket
from storage.s3.mirror import Mirror, Row
from tests.support.fuzzing import REFUSED, TAKEN, Fuzz, refused
from tests.support.hostile import altered, damaged, dumped, json_bytes, texts

SEGMENTS = label_config.parse(label_config.render(("x", "y"), ("walk", "run"), "time"))
WHOLE = label_config.parse(label_config.render(("x",), ("walk", "run"), "time", task="multilabel"))
REGION = {"id": "x1", "from_name": "label", "to_name": "ts", "type": "timeserieslabels",
          "value": {"start": 0.1, "end": 0.5, "instant": False, "timeserieslabels": ["walk"]}}  # fmt: skip
CHOICE = {
    "id": "x2",
    "from_name": "label",
    "to_name": "ts",
    "type": "choices",
    "value": {"choices": ["walk", "run"]},
}
NOTE = {"id": "x1", "from_name": "note", "to_name": "ts", "type": "textarea", "value": {"text": ["hm"]}}
RELATION = {"from_id": "x1", "to_id": "x2", "type": "relation", "direction": "right"}
GOOD: dict[str, Any] = {
    "id": 7, "result": [REGION, CHOICE, NOTE, RELATION], "was_cancelled": False, "ground_truth": False,
    "created_at": "2026-01-02T03:04:05.000001Z", "updated_at": "2026-01-02T03:04:05.000001Z", "lead_time": 1.5,
    "completed_by": {"id": 1, "email": "ann@example.com"}, "unique_id": "u", "parent_annotation": None,
    "task": {"id": 3, "data": {"series": "one", "csv": "s3://b/series/one.csv", "subject": "ann"}},
}  # fmt: skip
KEY = "main/annotations/7"
NOWHERE = cast("Any", None)
TIMES = np.arange(100) / 50


def reader(mirror: Mirror = NOWHERE) -> Annotations:
    return Annotations(cast("Bucket", None), cast("LabelStudio", None), mirror, "main", "csv")


def plain(record: Record) -> str:
    return json.dumps(record, sort_keys=True)


def is_json(text: str) -> None:
    """Python reads what is no JSON (NaN, Infinity); other programs do not."""
    constants: list[str] = []
    json.loads(text, parse_constant=constants.append)
    assert not constants


def lines_are_safe(lines: list[str]) -> None:
    assert not [line for line in lines if UNSAFE.search(line)], lines


def test_annotations(fuzz: Fuzz, tmp_path: Path) -> None:
    """Kept whole or set aside with a reason; what was kept, every part behind can work with."""
    mirror = Mirror(tmp_path / "mirror.sqlite")
    annotations = reader(mirror)
    good = cast("Record", annotations.row_of(KEY, dumped(GOOD)).value["record"])

    def check(data: bytes) -> str:
        row = annotations.row_of(KEY, data)
        mirror.put([row])
        assert mirror.at([KEY]) == [row]
        if row.value is None:
            return refused(InputError("set aside", where=KEY, why=row.problem))
        record = row.value["record"]
        given = json.loads(data, parse_constant=lambda _: None)
        for name, value in given.items():
            if (
                name not in snapshot.VOLATILE
                and value is not None
                and name not in ("was_cancelled", "ground_truth")
            ):
                assert name in record, name
        assert len(record["result"]) == len(given["result"])
        shards = snapshot.dump([record])
        (found,) = snapshot.parse_shard(*shards.values(), "shard")
        assert found == record
        every_reader(good, found)
        return TAKEN

    fuzz(json_bytes(GOOD), check)


def every_reader(before: Record, after: Record) -> None:
    """Counts, differences, merges, targets and texts of two records."""
    for old, new in ((None, after), (before, after), (after, None)):
        change = Change(str((new or before)["id"]), old, new)
        for config in (None, SEGMENTS, WHOLE):
            counts = label_changes.count([change], config=config)
            text = label_changes.message(counts, label_changes.signs([]), ["x"])
            lines_are_safe(text.split("\n"))
            found = diff.difference(old, new, config)
            is_json(dump_json(found.to_json()))
            assert len(text) < 1_000_000
            formatting.counts_json(counts)
    for config in (None, SEGMENTS, WHOLE):
        lines_are_safe([line.removesuffix("\n") for line in git_drivers.record_lines(after, config)])
        merged, found = merge_records(
            before, after, {**before, "ground_truth": True, "result": [NOTE]}, config=config
        )
        for conflict in found:
            conflicts.line(conflict)
            is_json(dump_json(conflicts.to_json(conflict)))
        if merged is not None:
            snapshot.dump([merged])
    label_changes.record_text(after)
    for rule in ("vote", "agree"):
        said = targets.make_targets([after, before], TIMES, SEGMENTS, 2, cast("Any", rule))
        assert said.values.shape == TIMES.shape
        classification_targets.make_target([after, before], WHOLE, cast("Any", rule))


def test_label_snapshots(fuzz: Fuzz) -> None:
    """Shards that somebody else wrote into the DVC remote: read, compared, edited, or named with their line."""
    first = reader().row_of(KEY, dumped(GOOD)).value["record"]
    good = [first, first | {"id": "8-000000"}, first | {"id": "9-000000", "series": "two ü"}]
    clean = snapshot.dump_shard(good)

    def check(lines: list[bytes]) -> str:
        data = b"".join(lines)
        for compare in (
            lambda: list(label_store.between(clean, data)),
            lambda: list(label_store.between(data, clean)),
            lambda: snapshot.find(data, ["8-000000", "9-000000"]),
            lambda: snapshot.edit(data, {"8-000000": good[1], "a-000000": good[2]}),
        ):
            with suppress(InputError):
                compare()
        try:
            found = snapshot.parse_shard(data, "data/labels/ab.jsonl")
        except InputError as error:
            return refused(error, "data/labels/ab.jsonl:")
        assert len(found) == sum(bool(line) for line in data.split(b"\n"))
        for record in found:
            every_reader(first, record)
        again = snapshot.dump_shard(found)
        assert sorted(map(plain, snapshot.parse_shard(again, ""))) == sorted(map(plain, found))
        by_id = label_store.parse(again, "ab.jsonl")
        assert len(by_id) == len(found)
        assert snapshot.find(again, by_id).keys() == by_id.keys()
        assert snapshot.edit(again, dict.fromkeys(by_id)) == b""
        assert snapshot.edit(again, {"8-000000": good[1]}) == snapshot.dump_shard(
            {**by_id, "8-000000": good[1]}.values()
        )
        return TAKEN

    line = (
        altered(first).map(snapshot.ENCODER.encode).map(lambda t: t.encode("utf-8", "surrogatepass") + b"\n")
    )
    good_line = st.sampled_from([snapshot.dump_shard([record]) for record in good])
    fuzz(
        st.lists(st.one_of(good_line, line, damaged(dumped(first)).map(lambda d: d + b"\n")), max_size=3),
        check,
    )


def test_sync_json(fuzz: Fuzz) -> None:
    folders = "a" * 32 + ".dir", "b" * 32 + ".dir"
    ids = {"7-123456": "1-9f3c1a"}
    people = {str(number_for("annotator-4@export")): "annotator-4@export"}
    agreed = sync_state.State(
        3, *folders, "c" * 40, "d" * 32, (("", "", ""),), ids, "word", annotators=people
    )
    good = json.loads(agreed.dump())

    def check(data: bytes) -> str:
        try:
            found = sync_state.parse(data, "etag", "main/sync.json")
        except InputError as error:
            return refused(error, "main/sync.json")
        assert sync_state.parse(found.dump(), "etag", "") == found
        return TAKEN

    fuzz(json_bytes(good), check)


def test_task_objects(fuzz: Fuzz, tmp_path: Path) -> None:
    remote = Remote(cast("Bucket", None), cast("LabelStudio", None), NOWHERE, "main", "csv")

    def check(example: tuple[str, bytes]) -> str:
        series, data = example
        key = f"main/tasks/{series}.json"
        try:
            found = remote.parse_task(key, data)
        except InputError as error:
            return refused(error)
        assert remote.series_of_task(key) == series
        assert not {"series", "csv"} & found.keys()
        tasks_file.write({series: found}, tmp_path / "tasks.jsonl")
        assert tasks_file.read(tmp_path / "tasks.jsonl") == {series: found}
        row = splits_file.Row(group_of(found.get("subject")) or series, "train")
        splits_file.write({series: row}, tmp_path / "splits.csv")
        assert splits_file.read(tmp_path / "splits.csv") == {series: row}
        return TAKEN

    good = {
        "data": {"series": "one", "csv": "s3://b/series/one.csv", "subject": "ann", "more": [1, {"a": "b"}]}
    }
    fuzz(st.tuples(st.one_of(st.just("one"), texts), json_bytes(good)), check)


def test_listings(fuzz: Fuzz) -> None:
    names = ["one.csv", "a/b.csv", "00.jsonl", "model.json"]

    def check(example: tuple[bytes, str]) -> str:
        data, path = example
        try:
            found = dvc_listing.parse(data, md5_bytes(data), path)
        except LabeltrailError as error:
            return refused(error, md5_bytes(data)[2:])
        assert len(found) == len(json.loads(data))
        for name, md5 in found.items():
            assert not keys.relpath_problem(name)
            assert not Path(name).is_absolute()
            assert ".." not in Path(name).parts
            assert keys.MD5.fullmatch(md5)
        assert dvc_listing.parse(dir_listing(found), "", path) == found
        return TAKEN

    good = json.loads(dir_listing(dict.fromkeys(names, "a" * 32)))
    hostile = st.dictionaries(texts, st.just("b" * 32), max_size=4).map(
        lambda found: json.dumps([{"relpath": name, "md5": md5} for name, md5 in found.items()]).encode()
    )
    one_each = st.sampled_from([("data/series", "one.csv"), ("data/labels", "00.jsonl")]).map(
        lambda pair: (dir_listing({pair[1]: "c" * 32}), pair[0])
    )
    path = st.sampled_from(["", "data/labels", "data/series"])
    fuzz(st.one_of(st.tuples(st.one_of(json_bytes(good), hostile), path), one_each), check)


def test_keys(fuzz: Fuzz, tmp_path: Path) -> None:
    """A series key becomes a path and the path the key again, in its folder, beside the others; or it is refused."""
    root = tmp_path / "series"

    def check(names: list[str]) -> str:
        for name in names:
            assert keys.series_of(keys.series_key(name)) == name
        if any(keys.key_problem(name) for name in names):
            return REFUSED
        if keys.path_collisions(names):
            return REFUSED
        for name in names:
            path = root / f"{name}.csv"
            assert path.relative_to(root).with_suffix("").as_posix() == name or path.suffix != ".csv"
            assert path.resolve().is_relative_to(root)
            assert keys.series_of_url(f"s3://bucket/{keys.series_key(name)}") == name
            for ending in keys.SUFFIXES:
                made = tmp_path / "made" / f"{name}{ending}"
                made.parent.mkdir(parents=True, exist_ok=True)
                made.touch()
        found = {
            path.relative_to(tmp_path / "made").as_posix() for path in (tmp_path / "made").rglob("*.csv")
        }
        assert {f"{name}.csv" for name in names} <= found
        for path in sorted((tmp_path / "made").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        return TAKEN

    parts = st.sampled_from(["a", "b", "a.csv", "a.npy", "A", "e\u0301", "\xe9", "x.json", "COM1", "a b"])
    plain = st.lists(parts, min_size=1, max_size=3).map("/".join)
    fuzz(st.lists(st.one_of(plain, plain, texts), min_size=1, max_size=3), check)


def test_the_mirror(fuzz: Fuzz, tmp_path: Path) -> None:
    """A mirror whose file was damaged works, or is begun anew."""
    path = tmp_path / "mirror.sqlite"
    row = Row(
        "main/annotations/7",
        "etag",
        {"annotation": 7, "shard": "ab.jsonl", "task": 1, "record": {"id": "7-x"}},
        "",
    )
    mirror = Mirror(path)
    mirror.put([row])
    mirror.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    good = path.read_bytes()

    def check(data: bytes) -> str:
        for part in tmp_path.glob("mirror.sqlite*"):
            part.unlink()
        path.write_bytes(data)
        mirror = Mirror(path)
        try:
            mirror.rows("main/")
            mirror.put([row])
            assert mirror.at([row.key]) == [row]
            assert mirror.changed("main/")
        except LabeltrailError as error:
            return refused(error, "mirror.sqlite")
        finally:
            mirror.close()
        return TAKEN

    fuzz(damaged(good, most=4), check, few=20, share=0.2, outcomes=frozenset({TAKEN}))
