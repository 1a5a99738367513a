"""`data/splits.csv`: the split of each series: train, validation, test, or unassigned (yet to be labeled).

Written by sync, read by window, and edited by hand: hence a CSV, sorted by series. `group` is, for example, the
person of a recording: a group is never in two splits, so that no data of a person leak into the test. Formulas are
escaped by an apostrophe (storage/text/csv_text.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from storage.errors import InputError
from storage.files import read_text, write_bytes
from storage.printable import argument, shortened
from storage.text import csv_text

PATH = Path("data/splits.csv")
UNASSIGNED = "unassigned"
SPLITS = ("train", "validation", "test", UNASSIGNED)
HEADER = ["series", "group", "split"]
# Name and header before 0.2.0: older label commits have it; sync renames it in the work tree.
EARLIER, EARLIER_HEADER = Path("data/sets.csv"), ["series", "group", "set"]


@dataclass(frozen=True)
class Row:
    """The group and the split of one series."""

    group: str
    split: str


def read(path: Path = PATH) -> dict[str, Row]:
    """Rows by series key; empty where the file does not exist.

    Raises:
        InputError: the header or a row is invalid, a series has two rows, or a group is in two splits.
    """
    if not path.exists():
        path = path.with_name(EARLIER.name)
    return parse(read_text(path, _cure(path), "utf-8-sig"), str(path)) if path.exists() else {}


def at(show: Callable[[str], str | None]) -> str:
    """The text of the file in a commit, which `show` reads by path; "" where it has none."""
    return show(PATH.as_posix()) or show(EARLIER.as_posix()) or ""


def migrate(root: Path) -> None:
    """Migrate the file of an earlier version to the current name and header.

    Raises:
        InputError: as `read`.
    """
    old = root / EARLIER
    if not old.exists():
        return
    if not (root / PATH).exists():
        write(read(root / PATH), root / PATH)
    old.unlink()


def parse(text: str, path: str = str(PATH)) -> dict[str, Row]:
    """Rows by series key, from the text of the file.

    Raises:
        InputError: as `read`.
    """
    rows = {}
    for series, (where, cells) in cells_by_series(text, path).items():
        if len(cells) != 3 or cells[2] not in SPLITS:
            why = f"a row is series,group,split and split is one of {', '.join(SPLITS)}"
            what = f"cannot read {shortened(','.join(cells))!r}"
            raise InputError(what, where=where, why=why, cure=_cure(path))
        rows[series] = Row(cells[1], cells[2])
    check_groups(rows, path)
    return rows


def cells_by_series(text: str, path: str = str(PATH)) -> dict[str, tuple[str, list[str]]]:
    """Each row's place (file and line) and its cells, by series; the other cells are not validated.

    Raises:
        InputError: a row or the header is invalid, or a series has two rows.
    """
    rows: dict[str, tuple[str, list[str]]] = {}
    header: list[str] = []
    for number, cells in _lines(text, path):
        where = f"{path}:{number}"
        if not header:
            header = cells
            if header not in (HEADER, EARLIER_HEADER):
                why = f"it is {shortened(','.join(header))!r}"
                what = "the header must be series,group,split"
                raise InputError(what, where=where, why=why, cure=_cure(path))
        elif cells[0] in rows:
            what = f"series {shortened(cells[0])!r} is there twice"
            raise InputError(what, where=where, cure=_cure(path))
        else:
            rows[cells[0]] = where, cells
    return rows


def _cure(path: Path | str) -> str:
    return f"mend the line, or: git checkout {argument(path)}"


def _lines(text: str, path: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row, and the number of its last line.

    Raises:
        InputError: a row is invalid; names the line.
    """
    try:
        yield from csv_text.parse(text)
    except csv_text.NoRowError as error:
        why = f"{error.why}: a quote that nothing closes, perhaps"
        raise InputError("not a row", where=f"{path}:{error.line}", why=why, cure=_cure(path)) from error


def check_groups(rows: Mapping[str, Row], where: str = str(PATH)) -> None:
    """Check that no group is in two splits.

    Raises:
        InputError: one is; names a series of each split.
    """
    splits: dict[str, tuple[str, str]] = {}
    for series, row in sorted(rows.items()):
        if row.split == UNASSIGNED:
            continue
        split, first = splits.setdefault(row.group, (row.split, series))
        if row.split != split:
            why = (
                f"{first} is in {split}, {series} in {row.split}: a model trained on one would know the other"
            )
            cure = f"give all series of {row.group!r} one split in {PATH}, then the same command again"
            raise InputError(f"group {row.group!r} is in two splits", where=where, why=why, cure=cure)


def write(rows: Mapping[str, Row], path: Path = PATH) -> None:
    """Write the rows, sorted by series.

    Raises:
        InputError: a group is in two splits.
    """
    write_bytes(path, dump(rows, str(path)), durable=True)


def dump(rows: Mapping[str, Row], where: str = str(PATH)) -> bytes:
    """The file's bytes.

    Raises:
        InputError: a group is in two splits.
    """
    check_groups(rows, where)
    return csv_text.dump([HEADER, *([series, row.group, row.split] for series, row in sorted(rows.items()))])


def with_splits_of(current: Mapping[str, Row], earlier: Mapping[str, Row]) -> dict[str, Row]:
    """The current rows with the splits of an older file; series that it lacks get the split of their group."""
    splits = {row.group: row.split for row in earlier.values() if row.split != UNASSIGNED}
    rows = {}
    for series, row in current.items():
        split = earlier[series].split if series in earlier else row.split
        rows[series] = replace(row, split=splits.get(row.group, split) if split != UNASSIGNED else split)
    return rows


def select(keys: Iterable[str], chosen: str) -> list[str]:
    """The series to predict: `all`, or those that are `unassigned`."""
    if chosen == "all":
        return list(keys)
    rows = read()
    return [key for key in keys if key not in rows or rows[key].split == UNASSIGNED]
