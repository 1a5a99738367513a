"""Fuzz targets: tables of whole series, as `labeltrail classify` is given them: CSV, TSV, ARFF, `.ts`."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from storage.errors import LabeltrailError
from storage.series import series_table
from tests.robustness.test_fuzz_imports import CELLS
from tests.support.fuzzing import TAKEN, Fuzz, refused
from tests.support.hostile import damaged, patched_text, texts

Y = "y_a,y_b,x_0,x_1,x_2\n" + "".join(f"{n % 2},{1 - n % 2},{n}.5,1e3,-{n}\n" for n in range(6))
WORDS = "class,x_0,x_1\n" + "".join(f"{'wrs'[n % 3]},{n}.5,{n}\n" for n in range(9))
UCR = "".join(f"{n % 2 + 1}\t0.{n}\t1.5\t-2\n" for n in range(6))
ARFF = (
    "@relation a\n@attribute x real\n@attribute y real\n@attribute class {1,2}\n@data\n1,2,1\n3,4,2\n1,5,1\n"
)
TS = "@problemName a\n@classLabel true a b\n@data\n1,2,3:a\n2,3,4:b\n1,2,4:a\n3,3,4:b\n"


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """A table with some cells, rows or signs of it exchanged."""
    text = draw(st.sampled_from([Y, Y, WORDS, UCR, ARFF, TS]))
    if draw(st.booleans()):
        lines = text.split("\n")
        place = draw(st.integers(0, len(lines) - 1))
        sep = "\t" if "\t" in lines[place] else ","
        cells = lines[place].split(sep)
        cells[draw(st.integers(0, len(cells) - 1))] = draw(st.one_of(st.sampled_from(CELLS), texts))
        lines[place] = sep.join(cells[: draw(st.sampled_from([99, 99, 2]))])
        text = "\n".join(lines)
    if draw(st.booleans()):
        text = draw(patched_text(text, most=1))
    return text.encode("utf-8", "surrogatepass")


def test_tables(fuzz: Fuzz) -> None:
    """Numbers of one length with their classes, and the same from the same bytes; or the line that is wrong."""

    def check(example: tuple[bytes, bool]) -> str:
        raw, labeled = example
        try:
            found = series_table.parse(raw, "table.csv", labeled=labeled)
        except LabeltrailError as error:
            return refused(error, "table.csv")
        assert found.values.shape[1] == len(found.columns)
        assert np.isfinite(found.values).all()
        if found.targets is not None:
            assert found.targets.shape == (len(found.values), len(found.labels))
            assert set(np.unique(found.targets)) <= {0, 1}
        assert found.line(0) >= 1
        return TAKEN

    raw = st.one_of(tables(), tables(), damaged(Y.encode()), damaged(WORDS.encode()))
    fuzz(st.tuples(raw, st.booleans()), check)
