"""`data/sets.csv`: which series is for training, validation, test, or unassigned (yet to be labeled).

Written by sync, read by window, and edited by hand: hence a CSV, sorted by series. `group` is whom the
recording is of: a group is never in two sets, or the test would know the person.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from storage.errors import InputError
from storage.files import read_text, write_bytes
from storage.printable import argument

PATH = Path("data/sets.csv")
UNASSIGNED = "unassigned"
SETS = ("train", "validation", "test", UNASSIGNED)
HEADER = ["series", "group", "set"]
QUOTED = re.compile('[",\r\n]')


@dataclass(frozen=True)
class Row:
    """The group and the set of one series."""

    group: str
    set: str


def read(path: Path = PATH) -> dict[str, Row]:
    """Rows by series key; empty where the file does not exist.

    Raises:
        InputError: the header or a row is not as it must be, a series is there twice, or a group is in
            two sets.
    """
    return parse(read_text(path, _cure(path), "utf-8-sig"), str(path)) if path.exists() else {}


def parse(text: str, path: str = str(PATH)) -> dict[str, Row]:
    """Rows by series key, from the text of the file.

    Raises:
        InputError: as `read`.
    """
    cure = _cure(path)
    rows: dict[str, Row] = {}
    for number, line in _lines(text, path):
        where = f"{path}:{number}"
        if number == 1:
            if line != HEADER:
                why = f"it is {','.join(line)!r}"
                raise InputError("the header must be series,group,set", where=where, why=why, cure=cure)
            continue
        if not line:
            continue
        if len(line) != 3 or line[2] not in SETS:
            why = f"a row is series,group,set and set is one of {', '.join(SETS)}"
            raise InputError(f"cannot read {','.join(line)!r}", where=where, why=why, cure=cure)
        series, group, name = line
        if series in rows:
            raise InputError(f"series {series!r} is there twice", where=where, cure=cure)
        rows[series] = Row(group, name)
    refuse_divided(rows, path)
    return rows


def _cure(path: Path | str) -> str:
    return f"mend the line, or: git checkout {argument(path)}"


def _lines(text: str, path: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row, and the number of its last line.

    Raises:
        InputError: a row is none; names the line.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        why = f"{error}: a quote that nothing closes, perhaps"
        raise InputError("not a row", where=f"{path}:{reader.line_num}", why=why, cure=_cure(path)) from error


def refuse_divided(rows: Mapping[str, Row], where: str = str(PATH)) -> None:
    """A group stays whole, also where somebody changed whom a series is of.

    Raises:
        InputError: a group is in two sets; names one series of each.
    """
    homes: dict[str, tuple[str, str]] = {}
    for series, row in sorted(rows.items()):
        if row.set == UNASSIGNED:
            continue
        home, first = homes.setdefault(row.group, (row.set, series))
        if row.set != home:
            why = f"{first} is in {home}, {series} in {row.set}: what is learnt in one would be known in the other"
            cure = f"give all series of {row.group!r} one set in {PATH}, then the same command again"
            raise InputError(f"group {row.group!r} is in two sets", where=where, why=why, cure=cure)


def write(rows: Mapping[str, Row], path: Path = PATH) -> None:
    """Write the rows, sorted by series.

    Raises:
        InputError: a group is in two sets.
    """
    write_bytes(path, dump(rows, str(path)), durable=True)


def dump(rows: Mapping[str, Row], where: str = str(PATH)) -> bytes:
    """The file's bytes.

    Raises:
        InputError: a group is in two sets.
    """
    refuse_divided(rows, where)
    cells = [HEADER, *([series, row.group, row.set] for series, row in sorted(rows.items()))]
    return "".join(f"{','.join(map(_quoted, line))}\n" for line in cells).encode()


def _quoted(cell: str) -> str:
    """A cell as `csv` writes it, and quoted also where a carriage return, which ends a row too, is in it."""
    return '"' + cell.replace('"', '""') + '"' if QUOTED.search(cell) else cell


def as_then(now: Mapping[str, Row], then: Mapping[str, Row]) -> dict[str, Row]:
    """The sets of the series there are now, as an older file has them; those that it lacks follow their group."""
    homes = {row.group: row.set for row in then.values() if row.set != UNASSIGNED}
    rows = {}
    for series, row in now.items():
        name = then[series].set if series in then else row.set
        rows[series] = replace(row, set=homes.get(row.group, name) if name != UNASSIGNED else name)
    return rows


def of_interest(keys: Iterable[str], chosen: str) -> list[str]:
    """The series that are predicted: `all`, or those that are `unassigned`."""
    if chosen == "all":
        return list(keys)
    rows = read()
    return [key for key in keys if key not in rows or rows[key].set == "unassigned"]
