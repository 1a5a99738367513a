"""What a cell of a recording is: a number, a missing value, a placeholder, or text.

The comma of `1,5` is a decimal separator, that of `1,000` may separate thousands: what a comma means follows from the
cells of the whole file (`Commas`). Where it does not, the file is refused.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Kind = Literal["number", "missing", "comma", "grouped", "infinite", "boolean", "text"]

# Missing values, in any case of letters; pandas' own list, so that both ways of reading agree.
MISSING = frozenset({
    "", "#n/a", "#n/a n/a", "#na", "-1.#ind", "-1.#qnan", "-nan", "1.#ind", "1.#qnan", "<na>", "n/a", "na", "nan",
    "none", "null",
})  # fmt: skip
# Placeholders that loggers and multimeters write for a missing value, or one that is out of range.
PLACEHOLDERS = frozenset({
    "-", "--", "---", "----", "-----", "?", "??", "???", "*", "**", "***", "****", "*****", "o", "ol", "ovl", "ovf",
    "ovr", "ovld", "ovfl", "over", "overflow", "overload", "overrange", "over range", "underrange", "under range",
    "ur", "or", "sat", "saturated", "err", "error", "#err", "err!", "fault", "fail", "invalid", "bad", "open",
    "no data", "nodata", "#value!", "#div/0!", "#num!", "#ref!", "#name?", "#null!", "missing",
})  # fmt: skip
BOOLEANS = {"true": "1", "false": "0"}
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
INFINITE = frozenset({"inf", "infinity"})
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?", re.ASCII)
# Thousands separators, all of one kind: 1,000 and 1.000.000,5 and 1'000.5 and 1 000.
GROUPED = re.compile(
    r"[+-]?[1-9]\d{0,2}([,.'’ \u00a0\u2009\u202f])\d{3}(?:\1\d{3})*(?:(?!\1)[.,]\d*)?(?:[eE][+-]?\d+)?",
    re.ASCII,
)
FLOAT32_MAX = float(np.finfo(np.float32).max)


def kind_of(cell: str, most: float = math.inf) -> Kind:
    """What a cell is; beyond `most` a number counts as infinite.

    `comma`: the comma may be a decimal separator; `grouped`: the number certainly has thousands separators.
    """
    if NUMBER.fullmatch(cell):
        return "infinite" if abs(float(cell)) > most or math.isinf(float(cell)) else "number"
    lower = cell.lower()
    if lower in MISSING:
        return "missing"
    if DECIMAL_COMMA.fullmatch(cell):
        return "comma"
    if GROUPED.fullmatch(cell):
        return "grouped"
    if lower.lstrip("+-") in INFINITE:
        return "infinite"
    return "boolean" if lower in BOOLEANS else "text"


def without_thousands_separators(cell: str) -> str:
    """A number without thousands separators, with a decimal point."""
    match = GROUPED.fullmatch(cell)
    return cell.replace(match[1], "").replace(",", ".") if match else cell


@dataclass
class Commas:
    """Whether commas in a file are decimal or thousands separators, by the cells so far; the first line of each.

    Attributes:
        decimal: a cell whose comma can only be a decimal separator, as `0,5`: line and cell.
        unclear: by column, a cell whose comma may also separate thousands, as `1,000`.
        points: by column, a number with a decimal point.
        columns: columns that have commas.
    """

    decimal: tuple[int, str] | None = None
    unclear: dict[str, tuple[int, str]] = field(default_factory=dict)
    points: dict[str, tuple[int, str]] = field(default_factory=dict)
    columns: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, column: str, line: int, cell: str, kind: Kind) -> None:
        """Take a cell into account."""
        if kind == "comma":
            self.columns.setdefault(column, (line, cell))
            if GROUPED.fullmatch(cell):
                self.unclear.setdefault(column, (line, cell))
            else:
                self.decimal = self.decimal or (line, cell)
        elif kind == "number" and "." in cell:
            self.points.setdefault(column, (line, cell))
