"""The layout of a recording: its encoding, delimiter and header, and the columns that the label config names."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice

from storage.label_studio.label_config import LabelConfig
from storage.label_studio.page_csv import is_nan
from storage.printable import shortened
from storage.series import recording_text
from storage.series.recording_cells import kind_of
from storage.series.recording_text import quoted
from storage.series.validation import Problem

# Lines from the top in which a header is looked for.
SEARCHED_LINES = 100
COMMENT = re.compile(r"\"?(#|//|%|;|--(?!\d))")
DELIMITER_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "|", " ": "blanks", None: "blanks"}

QUOTES = "its quotes do not pair up: it is unknown where its cells end"
QUOTES_CURE = 'take the quote out, or double it (""), and the line end out of a quoted cell'


@dataclass(frozen=True)
class Layout:
    """How the table of a file is laid out.

    Attributes:
        encoding: by Python's name.
        sep: the delimiter; None for any run of blanks.
        names: of the columns, without quotes and blanks; `0`, `1`, .. where there is no header.
        header: its line; 0 where there is none.
        places: where the label config's columns are among `names`, the time column under its name.
        has_sep_line: whether Excel's `sep=` line stands above it.
        header_text: the header as it is written.
    """

    encoding: str
    sep: str | None
    names: tuple[str, ...]
    header: int
    places: Mapping[str, int]
    has_sep_line: bool = False
    header_text: str = ""

    def rows(self, raw: bytes) -> Iterator[tuple[int, str]]:
        """The lines below the header with their numbers, blank ones included."""
        return ((n, line) for n, line in recording_text.lines(raw, self.encoding) if n > self.header)


def required_columns(config: LabelConfig) -> list[str]:
    """The columns that a label config names, the time column first."""
    return [*([config.time_column] if config.time_column else []), *config.channels]


def find(raw: bytes, config: LabelConfig) -> Layout | list[Problem]:
    """Find the table in a file, or say why there is none that fits the label config."""
    if not raw or raw.isspace():
        return [Problem(None, "the file is empty", "export the recording again")]
    encoding = recording_text.encoding_of(raw)
    if isinstance(encoding, Problem):
        return [encoding]
    lines = ((n, text) for n, text in recording_text.lines(raw, encoding) if text.strip())
    top = list(islice(lines, SEARCHED_LINES))
    if not top:
        return [Problem(None, "the file is empty", "export the recording again")]
    sep_line = recording_text.SEP_LINE.fullmatch(top[0][1])
    given = [sep_line[1]] if sep_line else []
    seps = list(dict.fromkeys([*given, separator(config), *recording_text.SEPARATORS, None]))
    top = top[1:] if sep_line else top
    if not top:
        return [Problem(1, "there is a header and no rows", "export the recording again")]
    found = _without_header(top, seps, config) or _header(top, seps, config)
    if isinstance(found, list):
        return found
    sep, names, header, places = found
    return Layout(encoding, sep, names, header, places, sep_line is not None, top[0][1] if header else "")


def separator(config: LabelConfig) -> str:
    """The separator that the label config asks for; a comma where Label Studio is to guess it."""
    return "," if config.sep == "auto" else config.sep


Found = tuple[str | None, tuple[str, ...], int, Mapping[str, int]]


def _without_header(
    top: Sequence[tuple[int, str]], seps: Sequence[str | None], config: LabelConfig
) -> Found | list[Problem] | None:
    """A file whose first line holds numbers, so that its columns are called 0, 1, 2, ..; None for any other."""
    line, text = top[0]
    below = top[1][1] if len(top) > 1 else ""
    for sep in seps:
        cells, next_cells = _split(text, sep), _split(below, sep)
        if not cells or any(kind_of(cell) in ("text", "boolean") for cell in cells) or set(cells) == {""}:
            continue
        # The page's own rule: a number above a word is a name.
        if len(cells) == len(next_cells) and any(
            is_nan(a) != is_nan(b) and kind_of(b) == "text" for a, b in zip(cells, next_cells, strict=True)
        ):
            continue
        names = tuple(str(number) for number in range(len(cells)))
        if tuple(cells) == names and len(cells) > 1:
            what = f"line {line} holds nothing but 0 to {names[-1]}: Label Studio takes it for the first row"
            cure = (
                f"delete line {line} if these are the columns' numbers: Label Studio names them so without it"
            )
            return [Problem(line, what, cure)]
        if all(name in names for name in required_columns(config)):
            return sep, names, 0, {name: int(name) for name in required_columns(config)}
        if sep != seps[-1] and len(cells) == 1 and len(required_columns(config)) > 1:
            continue
        what = f"there is no header: line {line} holds numbers where the names of the columns should be"
        return [Problem(line, what, _header_cure(len(cells), sep, config))]
    return None


def _header_cure(count: int, sep: str | None, config: LabelConfig) -> str:
    names = required_columns(config)
    if count == len(names):
        mark = separator(config) if sep is None else sep
        return f"write a line above it that names the columns, as {mark.join(names)!r} if that is their order"
    return f"write a line above it that names its {count} columns, {', '.join(map(repr, names))} among them"


def _header(
    top: Sequence[tuple[int, str]], seps: Sequence[str | None], config: LabelConfig
) -> Found | list[Problem]:
    """The line that names the columns, which must be the first."""
    for place, (line, text) in enumerate(top):
        for sep in seps:
            names = tuple(_split(text, sep))
            places = resolve(names, config)
            if isinstance(places, dict):
                if place:
                    return [_text_above_header(top, place)]
                return duplicate_columns(names, config) or (sep, names, line, places)
    return _missing_columns(top, seps, config)


def _text_above_header(top: Sequence[tuple[int, str]], place: int) -> Problem:
    """Lines stand above the header."""
    first, header = top[0][0], top[place][0]
    comments = all(COMMENT.match(text) for _, text in top[:place])
    kind = "comments" if comments and place > 1 else "a comment" if comments else "text"
    lines = f"line {first} holds" if place == 1 else f"lines {first} to {top[place - 1][0]} hold"
    what = f"{lines} {kind} above the header, which is line {header}: {quoted(top[0][1])}"
    return Problem(first, what, f"delete what stands above line {header}")


def resolve(names: Sequence[str], config: LabelConfig) -> dict[str, int] | list[str]:
    """Where the label config's columns are among the names; else those that are not there.

    As Label Studio does it, in any case of letters.
    """
    lower = [name.lower() for name in names]
    places: dict[str, int] = {}
    missing = []
    for name in required_columns(config):
        if name in names:
            places[name] = list(names).index(name)
        elif name.lower() in lower:
            places[name] = lower.index(name.lower())
        else:
            missing.append(name)
    taken = Counter(places.values())
    missing += [name for name, place in places.items() if taken[place] > 1 and names[place] != name]
    return missing or places


def is_column_number(name: str) -> bool:
    """Whether Label Studio reads a channel's name as the number of a column in the header, from 0."""
    return re.fullmatch(r"0|[1-9]\d{0,8}", name, re.ASCII) is not None


def duplicate_columns(names: Sequence[str], config: LabelConfig) -> list[Problem]:
    """Columns that have one name, to Labeltrail or to Label Studio's page."""
    problems = []
    for name in required_columns(config):
        same = [other for other in names if other == name]
        same = same or [other for other in names if other.lower() == name.lower()]
        if len(same) > 1:
            kind = "time column" if name == config.time_column else "channel"
            problems.append(Problem(1, f"{kind} {name!r} is there {len(same)} times", "keep one of them"))
    for low, count in Counter(name.lower() for name in required_columns(config)).items():
        if count > 1:
            both = " and ".join(repr(name) for name in required_columns(config) if name.lower() == low)
            what = f"{both} are one column to Label Studio, which reads names without their case"
            problems.append(Problem(1, what, "rename one of them, in the recordings and in the label config"))
    return problems


def _missing_columns(
    top: Sequence[tuple[int, str]], seps: Sequence[str | None], config: LabelConfig
) -> list[Problem]:
    line, text = top[0]
    if not _split(text, seps[0]):
        return [Problem(line, QUOTES, QUOTES_CURE)]
    below = top[1][1] if len(top) > 1 else ""

    def match_count(sep: str | None) -> tuple[int, int]:
        names, cells = _split(text, sep), _split(below, sep)
        missing = resolve(names, config)
        fitting = len(required_columns(config)) - len(missing) if isinstance(missing, list) else len(missing)
        return fitting, len(names) if len(names) == len(cells) or not cells else 1

    names = _split(text, max(seps, key=match_count))
    missing = resolve(names, config)
    problems = []
    for name in missing if isinstance(missing, list) else []:
        kind = "time column" if name == config.time_column else "channel"
        problems.append(
            Problem(line, f"{kind} {name!r} is missing", _missing_column_cure(name, names, config))
        )
    return problems


def _missing_column_cure(name: str, names: Sequence[str], config: LabelConfig) -> str:
    known = {other.lower() for other in required_columns(config)}
    others = {other.lower(): other for other in names if other.lower() not in known}
    near = get_close_matches(name.lower(), others, 1) if not is_column_number(name) else []
    if near:
        return f"the file has {others[near[0]]!r}: rename the column, or name it so in the label config"
    if is_column_number(name) and name != config.time_column and int(name) < len(names):
        its = names[int(name)]
        why = "a column number finds a column only where there is no header"
        return f"write {its!r} for {name!r} in the label config: {why}"
    shown = shortened(", ".join(names))
    return f"add the column, or take {name!r} out of the label config; the file has: {shown}"


def is_padded(line: str, sep: str | None) -> bool:
    """Whether blanks stand around the cells of a line, where blanks are not the delimiter."""
    return sep is not None and not sep.isspace() and (f"{sep} " in line or f" {sep}" in line)


def _split(text: str, sep: str | None) -> list[str]:
    try:
        # Blanks that line columns up are no empty cells.
        return [] if sep == " " and "  " in text.strip() else recording_text.split(text, sep)
    except csv.Error:
        return []
