"""The files of a folder: which are recordings, and what is said of each of the others."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.errors import InputError
from storage.series import discovery
from storage.series.discovery import LeftOut

ROWS = b"time,x,y\n0,1,2\n1,3,4\n"


def lay(folder: Path, *names: str) -> Path:
    """Files of these names, with a recording in each."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(ROWS)
    return folder


def found(folder: Path) -> tuple[list[str], list[LeftOut]]:
    files, left = discovery.find(str(folder))
    return list(files), left


KINDS = {
    "compressed": (
        ["b.csv.gz", "c.CSV.GZ"],
        "2 files are packed: b.csv.gz, c.CSV.GZ",
        "gunzip {}/b.csv.gz; then import again",
        True,
    ),
    "zip": (["b.zip"], "1 file is packed: b.zip", "unzip {}/b.zip; then import again", True),
    "tsv": (
        ["deep/b.tsv"],
        "1 file is text under another name: deep/b.tsv",
        "mv {0}/deep/b.tsv {0}/deep/b.csv if it is a recording",
        True,
    ),
    "txt": (
        ["b.txt"],
        "1 file is text under another name: b.txt",
        "mv {0}/b.txt {0}/b.csv if it is a recording",
        True,
    ),
    "excel": (
        ["b.xlsx"],
        "1 file is of a spreadsheet: b.xlsx",
        "save {}/b.xlsx as CSV in UTF-8; then import again",
        True,
    ),
    "parquet": (["b.parquet"], "1 file is of another format: b.parquet", "write {}/b.parquet as CSV", True),
    "export": (
        ["tasks.json"],
        "1 file is in JSON: tasks.json",
        "labeltrail import FOLDER --labels {}/tasks.json",
        False,
    ),
    "config": (
        ["config.xml"],
        "1 file is in XML: config.xml",
        "labeltrail import FOLDER --label-config {}/config.xml",
        False,
    ),
    "hidden": ([".b.csv"], "1 file is hidden: .b.csv", "mv {}/.b.csv to a name without the dot", True),
    "hidden folder": ([".cache/b.csv"], "1 file is hidden: .cache/b.csv", "without the dot", True),
    "system": (
        [
            "._a.csv",
            "__MACOSX/._a.csv",
            ".DS_Store",
            "Thumbs.db",
            "~$a.csv",
            ".~lock.a.csv#",
            "b.csv~",
            "c.csv.part",
            "desktop.ini",
        ],
        "9 files are of an operating system or a program: ",
        "nothing: there are no recordings in them",
        False,
    ),
    "others": (
        ["README.md", "video.mp4", "b.csv "],
        "3 files are of another kind: ",
        "nothing, if they are no recordings",
        False,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_file_is_named_with_what_to_do(kind: str, tmp_path: Path) -> None:
    names, what, cure, fatal = KINDS[kind]
    keys, (left,) = found(lay(tmp_path, "a.csv", *names))
    assert keys == ["a"]
    assert left.what.startswith(what)
    assert cure.format(tmp_path) in left.cure
    assert left.fatal == fatal


def test_a_name_in_a_cure_is_one_word_of_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lay(tmp_path, "a.csv", "$(touch hit).csv.gz", "-rf; ls {1}.csv.tsv"))
    _, (packed, text) = found(Path())
    assert packed.cure == "gunzip '$(touch hit).csv.gz'; then import again"
    assert text.cure.startswith("mv './-rf; ls {1}.csv.tsv' './-rf; ls {1}.csv.csv' if it")


def test_a_name_that_no_file_can_have_is_no_recording() -> None:
    with pytest.raises(InputError, match="no recording was found"):
        discovery.find("x" * 300)


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_of_nothing_else_is_no_recording(kind: str, tmp_path: Path) -> None:
    names, what, cure, fatal = KINDS[kind]
    with pytest.raises(InputError) as caught:
        discovery.find(str(lay(tmp_path, *names)))
    assert caught.value.what == "no recording was found"
    assert what in caught.value.why
    assert (
        cure.format(tmp_path) in caught.value.cure
        if fatal
        else caught.value.cure == "labeltrail import FOLDER"
    )


def test_the_mixed_folder_of_a_macintosh(tmp_path: Path) -> None:
    names = [
        "day1.csv",
        "day1.CSV",
        "day3.CSV",
        "day4.csv.gz",
        "day5.tsv",
        "._day1.csv",
        ".hidden.csv",
        "__MACOSX/._day3.csv",
    ]
    keys, left = found(lay(tmp_path, *names))
    assert keys == ["day3"]
    assert [(out.what, out.fatal) for out in left] == [
        ("1 file is hidden: .hidden.csv", True),
        ("1 file is packed: day4.csv.gz", True),
        ("1 file is text under another name: day5.tsv", True),
        ("2 files are of an operating system or a program: ._day1.csv, __MACOSX/._day3.csv", False),
        (
            f"2 files have one series key, day1.CSV, day1.csv ({tmp_path}/day1.CSV and {tmp_path}/day1.csv)",
            True,
        ),
    ]


@pytest.mark.parametrize(
    "names",
    [("Run.csv", "run.csv"), tuple(unicodedata.normalize(form, "Häuser.csv") for form in ("NFC", "NFD"))],
)
def test_names_that_a_macintosh_or_windows_takes_for_one(names: tuple[str, str], tmp_path: Path) -> None:
    keys, (left,) = found(lay(tmp_path, "a.csv", *names))
    assert keys == ["a"]
    assert "2 files have one series key, which macOS and Windows take for one name: " in left.what
    assert all(f"{tmp_path}/{name}" in left.what for name in names)
    assert (left.cure, left.fatal) == ("rename all but one of them", True)


def test_names_that_no_series_can_have(tmp_path: Path) -> None:
    odd = ["line\nend.csv", f"{'x' * 241}.csv", ".git/a.csv"]
    lay(tmp_path, "a.csv", *odd)
    (tmp_path / os.fsdecode(b"caf\xe9.csv")).write_bytes(ROWS)
    keys, left = found(tmp_path)
    assert keys == ["a"]
    whats = sorted(out.what for out in left)
    assert whats == [
        "1 file is of an operating system or a program: .git/a.csv",
        "it cannot be a series: a part of its name is longer than 240 bytes",
        "it cannot be a series: there is a control character in its name",
        "it cannot be a series: there is a control character in its name",
    ]


def test_a_recording_where_another_needs_a_folder(tmp_path: Path) -> None:
    keys, (left,) = found(lay(tmp_path, "a.csv", "a.csv.d/x.csv", "b.csv", "b.json/c.csv"))
    assert keys == ["a", "a.csv.d/x", "b"]
    assert left.where == f"{tmp_path}/b.json/c.csv"
    assert left.what == "it would need a folder where the recording 'b' has a file"


def test_links_and_pipes(tmp_path: Path) -> None:
    lay(tmp_path, "in/a.csv", "in/deep/b.csv", "out/secret.csv")
    (tmp_path / "in/inside.csv").symlink_to("deep/b.csv")
    (tmp_path / "in/outside.csv").symlink_to(tmp_path / "out/secret.csv")
    (tmp_path / "in/folder").symlink_to(tmp_path / "out")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    os.mkfifo(tmp_path / "in/pipe.csv")
    keys, left = found(tmp_path / "in")
    assert keys == ["a", "deep/b", "inside"]
    assert sorted((out.what, out.fatal) for out in left) == [
        ("1 file is a link that leads out of the folder: outside.csv", True),
        ("1 file is no file but a pipe or a device: pipe.csv", True),
        ("2 files are a link to a folder, which is not followed: folder, loop", True),
    ]


@contextmanager
def nobody() -> Iterator[None]:
    """As somebody who is not root, to whom nothing is closed."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_cannot_be_read_is_named() -> None:
    folder = Path("/tmp") / f"labeltrail-closed-{os.getpid()}"  # noqa: S108 -- pytest's own are closed to others
    lay(folder, "a.csv", "closed/b.csv").chmod(0o755)
    (folder / "closed").chmod(0)
    try:
        with nobody():
            keys, (left,) = found(folder)
    finally:
        (folder / "closed").chmod(0o755)
        shutil.rmtree(folder)
    assert keys == ["a"]
    assert left.what == "1 file is a folder that cannot be read (Permission denied): closed"
    assert left.cure == f"chmod -R u+rX {folder}/closed"


def test_a_file_that_is_named_is_taken_whatever_its_ending(tmp_path: Path) -> None:
    lay(tmp_path, "a.tsv", "b.csv.gz", "c.csv")
    assert discovery.find(str(tmp_path / "a.tsv"))[0] == {"a": tmp_path / "a.tsv"}
    with pytest.raises(InputError) as caught:
        discovery.find(str(tmp_path / "b.csv.gz"))
    assert caught.value.why == "no *.csv there; the file is packed"
    assert caught.value.cure == f"gunzip {tmp_path}/b.csv.gz; then import again"
    assert list(discovery.find(str(tmp_path / "*"))[0]) == ["a", "c"]
    lay(tmp_path, "day[1].csv")
    assert list(discovery.find(str(tmp_path / "day[1].csv"))[0]) == ["day[1]"]
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError) as caught:
        discovery.find(str(tmp_path / "pipe.csv"))
    assert caught.value.why == "no *.csv there; it is no file but a pipe or a device"
    with pytest.raises(InputError) as caught:
        discovery.find(str(lay(tmp_path, "deep/c.csv") / "**/c.csv"))
    assert caught.value.cure == "import the folder"
