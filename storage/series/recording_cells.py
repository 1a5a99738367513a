"""What a cell of a recording is: a number, none, or something that only looks like one.

`1,5` may be one and a half, `1,000` a thousand or one with three decimals: what a comma means follows from the cells
of the whole file (`Commas`), and where it does not, nobody guesses.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Kind = Literal["number", "missing", "comma", "grouped", "infinite", "truth", "text"]

# What counts as an empty cell, in any case; pandas' own list, so that both ways of reading agree.
MISSING = frozenset({
    "", "#n/a", "#n/a n/a", "#na", "-1.#ind", "-1.#qnan", "-nan", "1.#ind", "1.#qnan", "<na>", "n/a", "na", "nan",
    "none", "null",
})  # fmt: skip
# What loggers and multimeters write where a value is out of range, or there is none.
MARKS = frozenset({
    "-", "--", "---", "----", "-----", "?", "??", "???", "*", "**", "***", "****", "*****", "o", "ol", "ovl", "ovf",
    "ovr", "ovld", "ovfl", "over", "overflow", "overload", "overrange", "over range", "underrange", "under range",
    "ur", "or", "sat", "saturated", "err", "error", "#err", "err!", "fault", "fail", "invalid", "bad", "open",
    "no data", "nodata", "#value!", "#div/0!", "#num!", "#ref!", "#name?", "#null!", "missing",
})  # fmt: skip
TRUTHS = {"true": "1", "false": "0"}
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
INFINITE = frozenset({"inf", "infinity"})
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?", re.ASCII)
# Groups of three digits, with one sign between them all: 1,000 and 1.000.000,5 and 1'000.5 and 1 000.
GROUPED = re.compile(
    r"[+-]?[1-9]\d{0,2}([,.'’ \u00a0\u2009\u202f])\d{3}(?:\1\d{3})*(?:(?!\1)[.,]\d*)?(?:[eE][+-]?\d+)?",
    re.ASCII,
)
FLOAT32_MAX = float(np.finfo(np.float32).max)


def kind_of(cell: str, most: float = math.inf) -> Kind:
    """What a cell is; beyond `most` a number counts as infinite.

    A comma may start decimals where this says `comma`; where groups of digits are certain it says `grouped`.
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
    return "truth" if lower in TRUTHS else "text"


def ungrouped(cell: str) -> str:
    """A number without the signs between its groups of digits, and with a point for decimals."""
    match = GROUPED.fullmatch(cell)
    return cell.replace(match[1], "").replace(",", ".") if match else cell


@dataclass
class Commas:
    """What commas in a file may mean, by what was seen so far; the first line of each.

    Attributes:
        decimal: a cell in which the comma can only start decimals, as `0,5`: line and cell.
        unclear: by column, a cell in which it may also part thousands, as `1,000`.
        points: by column, a number with a decimal point.
        columns: columns that have commas.
    """

    decimal: tuple[int, str] | None = None
    unclear: dict[str, tuple[int, str]] = field(default_factory=dict)
    points: dict[str, tuple[int, str]] = field(default_factory=dict)
    columns: dict[str, tuple[int, str]] = field(default_factory=dict)

    def see(self, column: str, line: int, cell: str, kind: Kind) -> None:
        """Take a cell into account."""
        if kind == "comma":
            self.columns.setdefault(column, (line, cell))
            if GROUPED.fullmatch(cell):
                self.unclear.setdefault(column, (line, cell))
            else:
                self.decimal = self.decimal or (line, cell)
        elif kind == "number" and "." in cell:
            self.points.setdefault(column, (line, cell))
