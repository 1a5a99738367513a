"""Names that become paths: which a series, a file of a folder and a shard may have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from storage.errors import DamagedError
from storage.files import dir_listing
from storage.repo import dvc_listing
from storage.s3 import keys

MD5 = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    "series",
    ["a", "a b/c+d", "100%#1&", "ü/走る", "...", "a..b", "x.npy/b", "A=1", "-rf", "\u202eabc", "a\\b"],
)
def test_names_that_a_series_may_have(series: str) -> None:
    assert keys.key_problem(series) == ""


@pytest.mark.parametrize(
    "series",
    [
        "", ".", "..", "a/../b", "../a", "/a", "a//b", "a/", "a/.", ".git/a", "a/.GIT/b", ".dvc/tmp/a",
        ".dvcignore/a",
        "a\n", "a\x1b[2J", "a\x7f", "a\x85", "\ud83d", "x" * 241, "é" * 121, "/".join(["x" * 200] * 5),
        "a.old/b", "a.part/b", "__pycache__/b", "._a", "a/._b", ".DS_Store/a", "Thumbs.db/a",
    ],
)  # fmt: skip
def test_names_that_no_series_may_have(series: str) -> None:
    assert keys.key_problem(series) != ""


def test_what_dvc_passes_over_is_refused() -> None:
    lines = (Path(__file__).parents[3] / ".dvcignore").read_text(encoding="utf-8").splitlines()
    for pattern in (line for line in lines if line and not line.startswith("#")):
        assert keys.key_problem(f"{pattern.replace('*', 'x')}/recording"), pattern
        assert keys.relpath_problem(f"folder/{pattern.replace('*', 'x')}"), pattern


def test_a_series_may_not_lie_where_a_file_of_another_one_will() -> None:
    beside = ["x", "x.npy/b", "x.json/b", "x.csv/b/c", "x.target.npy/b", "x.y/b", "y.npy/b"]
    assert keys.path_collisions(beside) == dict.fromkeys(
        ["x.npy/b", "x.json/b", "x.csv/b/c", "x.target.npy/b"], "x"
    )


def test_names_that_some_file_systems_take_for_one() -> None:
    assert keys.case_collisions(["a/B", "a/b", "c", "u\u0308", "ü", "ß", "SS"]) == [
        ("a/B", "a/b"),
        ("u\u0308", "ü"),
        ("SS", "ß"),
    ]


def parse(path: str, *entries: object) -> dict[str, str]:
    return dvc_listing.parse(json.dumps(entries).encode(), MD5 + ".dir", path)


def test_a_listing_that_stays_in_its_folder() -> None:
    shards = {"00.jsonl": MD5, "ff.jsonl": MD5}
    assert dvc_listing.parse(dir_listing(shards), MD5 + ".dir", "data/labels") == shards
    recordings = {"a b/c.csv": MD5, "d.csv": MD5}
    assert dvc_listing.parse(dir_listing(recordings), MD5 + ".dir", "data/series") == recordings
    assert dvc_listing.parse(dir_listing({"model.json": MD5, "a/b.npy": MD5}), MD5 + ".dir").keys() == {
        "model.json",
        "a/b.npy",
    }
    assert dvc_listing.parse(b"[]", MD5 + ".dir") == {}


@pytest.mark.parametrize("path", ["", "data/labels", "data/series"])
@pytest.mark.parametrize(
    "entry",
    [
        {"relpath": "../../numpy.py", "md5": MD5},
        {"relpath": "../series/a.csv", "md5": MD5},
        {"relpath": "/etc/passwd.csv", "md5": MD5},
        {"relpath": "a/../../b.csv", "md5": MD5},
        {"relpath": ".dvc/config.csv", "md5": MD5},
        {"relpath": "", "md5": MD5},
        {"relpath": "a\x00.csv", "md5": MD5},
        {"relpath": "00.jsonl", "md5": "../../../../etc/passwd"},
        {"relpath": "a.csv", "md5": MD5 + ".dir"},
        {"relpath": "a.csv", "md5": 1},
        {"relpath": ["a.csv"], "md5": MD5},
        {"relpath": "a.csv"},
        "a.csv",
        None,
    ],
)  # fmt: skip
def test_a_listing_that_leads_elsewhere_is_refused(path: str, entry: object) -> None:
    with pytest.raises(DamagedError, match="cannot be used"):
        parse(path, entry)


def test_a_listing_names_nothing_twice_and_no_file_for_a_folder() -> None:
    for entries in (["a", "a"], ["a", "a/b"]):
        with pytest.raises(DamagedError):
            parse("", *({"relpath": name, "md5": MD5} for name in entries))


@pytest.mark.parametrize("data", [b"", b"{}x", b"[" * 10_000, b'{"a": 1}', b"\xff\xfe"])
def test_what_is_no_listing(data: bytes) -> None:
    with pytest.raises(DamagedError):
        dvc_listing.parse(data, MD5 + ".dir")
