"""Timestamps as text in a recording that is not plain, and the form of them that Label Studio's page reads.

The page reads milliseconds, and those only in a few forms (storage/label_studio/page_times.py). The same time can
often be written in one of these without losing a digit: six digits of a second at the end, three before a zone,
`+00:00` for `Z`, UTC for a zone that `timeFormat` does not have.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from storage.label_studio.page_csv import is_nan
from storage.label_studio.page_times import cell_time
from storage.series import timestamps as stamps
from storage.series.recording_cells import MISSING
from storage.series.recording_text import quoted
from storage.series.validation import Problems

CHUNK = 1 << 16
TO_ZEROS = str.maketrans("123456789", "000000000")
WHOLE_NUMBER = re.compile(r"[1-9]\d{0,14}", re.ASCII)
ZONE = re.compile(r"\s?(Z|[+-]\d\d:?\d\d)$", re.ASCII)
FRACTION = re.compile(r"(?<=\d)\.(\d+)(?=$|\s|Z|[+-]\d\d:?\d\d$|\s?[AaPp][Mm])", re.ASCII)
YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)", re.ASCII)
YEARS = (1678, 2261)  # what 64 bits hold in nanoseconds
Nanoseconds = NDArray[np.int64]
MILLISECOND = 10**6


def first_misread_time(texts: Sequence[str], times: Nanoseconds, time_format: str) -> int | None:
    """The first text that the page takes for another time, or for none; None where it reads all.

    What it reads follows from where digits stand, so one text of each form is tried, and all that look like numbers.
    """
    forms: dict[str, int] = {}
    written = "\n".join(texts).translate(TO_ZEROS).split("\n") if texts else []
    for place in range(len(written) - 1, -1, -1):
        forms[written[place]] = place
    wrong = []
    for form, place in forms.items():
        places = [place] if is_nan(texts[place]) else [n for n, other in enumerate(written) if other == form]
        if time_format in stamps.EPOCH and all(WHOLE_NUMBER.fullmatch(texts[n]) for n in places):
            places = [place]
        wrong += [n for n in places if cell_time(texts[n], time_format) != times[n] // MILLISECOND][:1]
    return min(wrong, default=None)


def page_form(texts: Sequence[str], time_format: str) -> tuple[list[str], Nanoseconds]:
    """The texts as they must be written for the page to read them, and the times that they are.

    A text that is no time, or that cannot be written so, stays as it is.
    """
    written = [text.strip() for text in texts]
    times = stamps.parse(written, time_format, strict=False)
    if "%z" not in time_format.lower() and time_format not in stamps.EPOCH:
        written, times = _in_utc(written, times, time_format)
    while (place := first_misread_among_times(written, times, time_format)) is not None:
        changed = [_with_readable_digits(text, time_format) for text in written]
        if (
            changed[place] == written[place]
            or (stamps.parse(changed, time_format, strict=False) != times).any()
        ):
            break
        written = changed
    return written, times


def first_misread_among_times(texts: Sequence[str], times: Nanoseconds, time_format: str) -> int | None:
    """As `first_misread_time`, of those texts that are times."""
    known = np.flatnonzero(times != stamps.NO_TIME)
    if len(known) == len(texts):
        return first_misread_time(texts, times, time_format)
    place = first_misread_time([texts[n] for n in known], times[known], time_format)
    return None if place is None else int(known[place])


def _in_utc(texts: list[str], times: Nanoseconds, time_format: str) -> tuple[list[str], Nanoseconds]:
    """Texts with a zone that the format does not have, as the same times in UTC without it."""
    zoned = [n for n in np.flatnonzero(times == stamps.NO_TIME).tolist() if ZONE.search(texts[n])]
    if not zoned:
        return texts, times
    bare = [ZONE.sub(r" \1", texts[n]) for n in zoned]
    found = stamps.parse(bare, f"{time_format} %Z", strict=False)
    written, times = list(texts), times.copy()
    for n, time in zip(zoned, found.tolist(), strict=True):
        if time != stamps.NO_TIME:
            written[n], times[n] = stamps.render(time, time_format), time
    if (stamps.parse(written, time_format, strict=False) != times).any():
        return texts, stamps.parse(texts, time_format, strict=False)
    return written, times


def _with_readable_digits(text: str, time_format: str) -> str:
    """A time with as many digits of a second as the page reads there, and a zone in numbers."""
    if time_format in stamps.EPOCH:
        return text
    if re.search("%[-_0]?Z", time_format):
        text = re.sub(r"Z$", "+00:00", text)
    match = FRACTION.search(text)
    if match is None:
        return text
    at_end = match.end() == len(text)
    digits = match[1].rstrip("0")
    most = 6 if "%f" in time_format and at_end and len(digits) > 3 else 3
    if len(digits) > most:
        return text
    return f"{text[: match.start(1)]}{digits.ljust(most, '0')}{text[match.end(1) :]}"


class TimeColumn:
    """Checks the time column of a recording, as text, cell by cell."""

    def __init__(self, name: str, time_format: str) -> None:
        self.name, self.time_format = name, time_format
        self.changed = 0
        self._pattern = _pattern(time_format)
        self._lines: list[int] = []
        self._texts: list[str] = []
        self._zones: dict[str, int] = {}
        self._found = Problems()

    def matches(self, text: str) -> bool:
        """Whether a text looks like a time of this format."""
        return bool(self._pattern.fullmatch(text)) or bool(self._pattern.fullmatch(ZONE.sub("", text)))

    def add(self, line: int, text: str) -> None:
        """Take a cell into account."""
        if text.lower() in MISSING:
            what = f"there is no time in {self.name!r}"
            self._found.add("time missing", line, what, "write the time, or delete the row")
            return
        self._lines.append(line)
        self._texts.append(text)
        if len(self._texts) == CHUNK:
            self._check_pending()

    def problems(self) -> Problems:
        """What is wrong with all cells that were added."""
        self._check_pending()
        if len(self._zones) > 1:
            line = max(self._zones.values())
            names = ", ".join(name or "none" for name in sorted(self._zones))
            what = f"the times are in different time zones: {names}"
            self._found = Problems()
            self._found.add("time zone", line, what, "write all times in one time zone")
        return self._found

    def _check_pending(self) -> None:
        if not self._texts:
            return
        lines, texts = self._lines, self._texts
        self._lines, self._texts = [], []
        written, times = page_form(texts, self.time_format)
        self.changed += sum(a != b for a, b in zip(texts, written, strict=True))
        for place in np.flatnonzero(times == stamps.NO_TIME).tolist():
            what = f"the time {quoted(texts[place])} is not in the timeFormat {self.time_format!r}"
            cure = "write it so, or correct timeFormat in the label config"
            if self._is_out_of_range(texts[place]):
                what = f"the time {quoted(texts[place])} is in none of the years {YEARS[0]} to {YEARS[1]}"
                cure = "write the time that it was, or delete the row"
            self._found.add("time format", lines[place], what, cure)
        wrong = first_misread_among_times(written, times, self.time_format)
        if wrong is not None and "time page" not in self._found.kinds:
            text, form = quoted(texts[wrong]), self.time_format
            what = f"Label Studio's page cannot read the time {text} by the timeFormat {form!r}"
            cure = unreadable_time_cure(texts[wrong], self.time_format)
            self._found.add("time page", lines[wrong], what, cure)
        for line, text in zip(lines, texts, strict=True):
            match = ZONE.search(text) if stamps.ZONE.search(text) else None
            self._zones.setdefault(match[1] if match else "", line)

    def _is_out_of_range(self, text: str) -> bool:
        """Whether it is written as a time should be, of a year that no time here can have."""
        year = YEAR.search(text) if "Y" in self.time_format and self.matches(text) else None
        return year is not None and not YEARS[0] <= int(year[0]) <= YEARS[1]


def unreadable_time_cure(text: str, time_format: str) -> str:
    """What to change where the page reads no time, or another one, from a text that the format fits."""
    match = FRACTION.search(text)
    digits = len(match[1].rstrip("0")) if match else 0
    zone = re.search(r"%[-_0]?[zZ]|Z$", time_format)
    if time_format in stamps.EPOCH:
        return "take timeFormat out of the label config: then the times are numbers, with any fraction"
    if re.search(r"%[-_0]?[a-zA-Z]\.\s?%[-_0]?[^Lf]", time_format):
        return "write dates with - for . and timeFormat so: the page takes the first dot for a fraction of a second"
    if zone and digits:
        more = ", with %f for the fraction" if digits > 3 and "%f" not in time_format else ""
        fewer = "write six digits of a second at the most, and " if digits > 6 else ""
        return f"{fewer}take {zone[0]} out of the label config's timeFormat{more}: import writes the times in UTC"
    if digits > 6:
        return "write six digits of a second at the most: the page shows three of them"
    if digits > 3 and "%f" not in time_format:
        return "write %f for %L in the label config's timeFormat: it takes six digits, of which the page shows three"
    return (
        "write the times in another form, as 2026-03-01 09:00:00.000, and timeFormat so: %Y-%m-%d %H:%M:%S.%L"
    )


def _pattern(time_format: str) -> re.Pattern[str]:
    """What a text of this format looks like."""
    parts = []
    for match in re.finditer(r"%([-_0]?)(.)|(.)", time_format, re.DOTALL):
        letter = match[2]
        if letter is None:
            parts.append(re.escape(match[3]))
        elif letter in "aAbBp":
            parts.append(r"[^\W\d_]+")
        elif letter in "zZ":
            parts.append(r"(?:Z|[+-]\d\d:?\d\d)")
        elif letter in "sQ":
            parts.append(r"[+-]?\d+(?:\.\d*)?")
        else:
            parts.append(r"\s*\d+" if letter != "%" else "%")
    return re.compile("".join(parts))
