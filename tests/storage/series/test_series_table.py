"""Tables of whole series: the order of columns, what the y columns ask, and each kind of bad input with its rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from storage.errors import InputError
from storage.series import series_table
from storage.series.series_table import SeriesTable

GOOD = "y_1,y_2,x_1,x_2,x_3\n1,0,1,2,3\n0,1,4,5,6\n"
DATASETS = Path(__file__).parents[3].parent / "shared/datasets"


def parse(text: str, **options: object) -> SeriesTable:
    return series_table.parse(text.encode(), "t.csv", **options)  # type: ignore[arg-type]


def refusal(text: str | bytes, **options: object) -> InputError:
    raw = text.encode() if isinstance(text, str) else text
    with pytest.raises(InputError) as caught:
        series_table.parse(raw, "t.csv", **options)  # type: ignore[arg-type]
    assert caught.value.cure
    return caught.value


def many(rows: int) -> list[str]:
    """Lines of a good table with two classes."""
    return ["y_1,y_2,x_1,x_2", *(f"{row % 2},{1 - row % 2},{row},{row / 2}" for row in range(rows))]


def test_a_table() -> None:
    table = parse(GOOD)
    assert (table.labels, table.columns, table.task) == (("y_1", "y_2"), ("x_1", "x_2", "x_3"), "multiclass")
    assert table.values.dtype == np.float32
    assert table.values.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert table.targets is not None
    assert table.targets.tolist() == [[True, False], [False, True]]
    assert table.counts() == {"y_1": 1, "y_2": 1}


@pytest.mark.parametrize("prefix", ["x", "x_", "x1_", "x.t-"])
def test_columns_go_by_number_and_not_by_name_or_place(prefix: str) -> None:
    names = [f"{prefix}{number}" for number in range(1, 13)]
    places = [10, 9, 0, 5, 11, 1, 2, 3, 8, 7, 6, 4]
    header = ",".join([names[i] for i in places] + ["y_10", "y_9"])
    table = parse(f"{header}\n{','.join(str(i + 1) for i in places)},0,1\n")
    assert table.columns == tuple(names)
    assert table.values.tolist() == [list(range(1, 13))]
    assert table.labels == ("y_9", "y_10")
    assert table.targets is not None
    assert table.targets.tolist() == [[True, False]]


def test_words_in_labels_keep_their_places() -> None:
    assert parse("y_W,y_N1,y_N2,x1,x2\n1,0,0,1,2\n0,1,0,3,4\n").labels == ("y_W", "y_N1", "y_N2")


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("y,x1\n1,2\n0,3\n", "binary"),
        (GOOD, "multiclass"),
        ("y1,y2,x1\n1,1,2\n0,1,3\n", "multilabel"),
        ("y1,y2,x1\n0,0,2\n0,1,3\n", "multilabel"),
    ],
)
def test_the_task_follows_from_the_y_columns(text: str, task: str) -> None:
    assert parse(text).task == task
    assert parse(text, task=task).task == task


def test_one_hot_rows_may_be_multilabel_when_somebody_says_so() -> None:
    assert parse(GOOD, task="multilabel").task == "multilabel"


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        GOOD + "\n \n",
        GOOD.rstrip(),
        GOOD.replace(",", " , "),
        'y_1,"y_2",x_1,x_2,x_3\n1.0,0e0,"1",2.,+3\n0,1,4,5.0,6e0\n',
    ],
    ids=[
        "windows",
        "byte order mark",
        "blank lines at the end",
        "no last line end",
        "blanks",
        "other numbers",
    ],
)
def test_the_same_table_written_otherwise(text: str) -> None:
    table = parse(text)
    assert (table.labels, table.columns) == (("y_1", "y_2"), ("x_1", "x_2", "x_3"))
    assert table.values.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_numbers_are_the_nearest_float32() -> None:
    numbers = np.random.default_rng(0).normal(size=2000) * 10.0 ** np.arange(-20, 20).repeat(50)
    text = "\n".join(["x1", *(repr(float(number)) for number in numbers), ""])
    assert np.array_equal(parse(text, labeled=False).values[:, 0], numbers.astype(np.float32))


ROWS = {
    "shorter": (3, "1,0,7", "1 with not as many cells as line 1: line 3 (3 cells, not 4)"),
    "longer": (3, "1,0,7,8,9", "1 with not as many cells as line 1: line 3 (5 cells, not 4)"),
    "blank line": (3, "", "1 with not as many cells as line 1: line 3 (0 cells, not 4)"),
    "empty cell": (4, "1,0,,8", "1 with a missing value: line 4 (x_1)"),
    "NaN": (4, "1,0,NaN,null", "1 with a missing value: line 4 (x_1, x_2)"),
    "no answer": (4, ",0,7,8", "1 with a missing value: line 4 (y_1)"),
    "word": (21, "1,0,7,oops", "1 with a cell that is no number: line 21 (x_2)"),
    "python number": (21, "1,0,7,1_000", "1 with a cell that is no number: line 21 (x_2)"),
    "other digits": (21, "1,0,7,\u0663", "1 with a cell that is no number: line 21 (x_2)"),
    "hard blank": (21, "1,0,\u00a07,8", "1 with a cell that is no number: line 21 (x_1)"),
    "infinite": (2, "1,0,inf,8", "1 with a number that is infinite in float32: line 2 (x_1)"),
    "too large": (2, "1,0,7,-1e39", "1 with a number that is infinite in float32: line 2 (x_2)"),
    "two": (2, "2,0,7,8", "1 with a label that is neither 0 nor 1: line 2 (y_1)"),
    "half": (2, ".5,.5,7,8", "1 with a label that is neither 0 nor 1: line 2 (y_1, y_2)"),
    "true": (2, "True,0,7,8", "1 with a cell that is no number: line 2 (y_1)"),
    "both": (9, "1,1,7,8", "1 with not one 1 in the y columns: line 9 (y_1, y_2)"),
    "neither": (9, "0,0,7,8", "1 with not one 1 in the y columns: line 9 (no 1)"),
}


@pytest.mark.parametrize("kind", ROWS)
def test_a_bad_row_is_named(kind: str) -> None:
    line, row, words = ROWS[kind]
    lines = many(20)
    lines[line - 1] = row
    error = refusal("\n".join(lines))
    assert error.what == f"1 of the 20 rows of t.csv cannot be taken:\n  - {words}"
    assert error.where == f"t.csv:{line}"


@pytest.mark.parametrize("blank", ["\n", " \n", "\r\n", "\r"])
def test_a_blank_line_is_no_series_to_be_skipped(blank: str) -> None:
    error = refusal(f"x_1\n1\n{blank}3\n", labeled=False)
    assert error.what.startswith("1 of the 3 rows of t.csv cannot be taken")
    assert error.where == "t.csv:3"


def test_many_bad_rows_are_counted_and_the_first_few_named() -> None:
    lines = many(100)
    for line in range(10, 20):
        lines[line - 1] = "1,0,7," if line % 2 else "1,0,a,b"
    lines[29] = "1"
    assert refusal("\n".join(lines)).what == (
        "11 of the 100 rows of t.csv cannot be taken:\n"
        "  - 1 with not as many cells as line 1: line 30 (1 cells, not 4)\n"
        "  - 5 with a missing value: line 11 (x_2); line 13 (x_2); line 15 (x_2); line 17 (x_2); line 19 (x_2)\n"
        "  - 5 with a cell that is no number: "
        "line 10 (x_1, x_2); line 12 (x_1, x_2); line 14 (x_1, x_2); line 16 (x_1, x_2); line 18 (x_1, x_2)"
    )
    lines = many(100)[:1] + ["1,0,,"] * 100
    assert refusal("\n".join(lines)).what.endswith("line 6 (x_1, x_2); and 95 more")


def test_columns_of_a_bad_row_are_cut_short() -> None:
    header = ",".join(["y1", "y2", *(f"x{i}" for i in range(1, 10))])
    error = refusal(f"{header}\n1,0{',' * 9}\n0,1{',1' * 9}\n")
    assert "line 2 (x1, x2, x3, x4, x5 and 4 more)" in error.what


HEADERS = {
    "empty": ("", "t.csv is empty"),
    "blank": (" \n\n", "t.csv is empty"),
    "header alone": ("y_1,x_1\n", "t.csv has a header and no rows"),
    "no names": (
        "1.5,0,2.5\n0.5,1,3.5\n",
        "t.csv has no header, and it is not clear which column is the class",
    ),
    "blank header": ("\ny_1,x_1\n0,1\n", "line 1 of t.csv is blank"),
    "no x": ("y_1,y_2\n1,0\n", "t.csv has no x columns"),
    "no y": ("x_1,x_2\n1,0\n", "t.csv has no y columns"),
    "others": (
        "id,y_1,x_1,,Z\n7,0,2,3,4\n",
        "t.csv has columns of another kind: id, (column 4 has no name), Z",
    ),
    "twice": ("y_1,x_1,x_1\n1,0,2\n", "t.csv has duplicate columns: x_1"),
    "same number": ("y_1,x_1,x1,x_2\n1,0,2,3\n", "the x columns of t.csv have no order"),
    "no number": ("y_1,x_a,x_b\n1,0,2\n", "the x columns of t.csv have no order"),
    "one column": ("time\n1\n", "t.csv has one column"),
    "open quote": ('y_1,"x_1\n1,0\n' + "1,0\n" * 50_000, "the quotes in line 1 of t.csv do not pair up"),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_bad_header_is_named(kind: str) -> None:
    text, words = HEADERS[kind]
    assert refusal(text).what == words


@pytest.mark.parametrize("text", ['y_1,x_1\n1,"0\n' + "1,0\n" * 50_000, 'y_1,x_1\n1,"0\n0,2\n'])
def test_a_quote_that_is_never_closed(text: str) -> None:
    refusal(text)


def test_what_is_no_text() -> None:
    error = refusal(b"y_1,x_1\n1,0\n1,\xff\n")
    assert (error.what, error.where) == ("t.csv is not UTF-8 text", "t.csv:3")
    assert refusal(b"y_1,x_1\n1,\0\n").what.startswith("1 of the 1 rows")


def test_few_rows_that_are_not_one_hot_are_no_reason_for_another_task() -> None:
    lines = many(40)
    lines[7:9] = ["0,0,1,2", "1,1,1,2"]
    assert (
        "2 with not one 1 in the y columns: line 8 (no 1); line 9 (y_1, y_2)"
        in refusal("\n".join(lines)).what
    )
    assert parse("\n".join(lines), task="multilabel").task == "multilabel"
    lines[2:30] = ["1,1,1,2"] * 28
    assert parse("\n".join(lines)).task == "multilabel"
    assert "28 with not one 1" in refusal("\n".join(lines), task="multiclass").what


def test_a_task_that_the_columns_cannot_have() -> None:
    assert refusal(GOOD, task="binary").what == "t.csv has 2 y columns, so its task is not binary"
    assert (
        refusal("y,x1\n1,2\n", task="multiclass").what
        == "t.csv has 1 y column, so its task is not multiclass"
    )


def test_columns_of_the_training() -> None:
    wanted = tuple(f"x_{i}" for i in range(1, 4))
    table = parse("x_3,x_1,x_2\n3,1,2\n", columns=wanted, labeled=False)
    assert table.values.tolist() == [[1, 2, 3]]
    assert (table.targets, table.task, table.labels) == (None, None, ())
    assert refusal("x_1,x_2,x_4,x_5\n1,2,3,4\n", columns=wanted, labeled=False).what == (
        "the x columns of t.csv are not those of the training: without x_3, with x_4, x_5"
    )
    assert refusal(GOOD, labels=("y_1", "y_3")).what == (
        "the y columns of t.csv are not those of the training: without y_3, with y_2"
    )


@pytest.mark.parametrize(
    ("text", "only"),
    [
        ("y,x1\n1,2\n1,3\n", "y is 1 in all of its 2 rows"),
        ("y,x1\n0,2\n0,3\n", "y is 0 in all of its 2 rows"),
        ("y_1,y_2,x1\n0,1,2\n0,1,3\n", "y_2 is 1 in all of its 2 rows"),
        ("y_1,y_2,x1\n1,1,2\n1,1,3\n", "y_1, y_2 is 1 in all of its 2 rows"),
    ],
)
def test_one_class_only(text: str, only: str) -> None:
    with pytest.raises(InputError) as caught:
        series_table.check_several_classes(parse(text), "t.csv")
    assert caught.value.what == f"t.csv has one class only: {only}"


def test_several_classes() -> None:
    series_table.check_several_classes(parse(GOOD), "t.csv")
    series_table.check_several_classes(parse("y,x1\n1,2\n0,3\n"), "t.csv")
    series_table.check_several_classes(parse("y_1,y_2,x1\n1,1,2\n0,1,3\n"), "t.csv")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    long = Path("x" * 300)
    for path, why in (
        (tmp_path / "no.csv", "there is no such file"),
        (tmp_path, "it is a folder"),
        (long, "File name too long"),
    ):
        with pytest.raises(InputError) as caught:
            series_table.read(path)
        assert caught.value.why == why


def test_predictions_are_written_with_the_digits_that_a_float32_needs() -> None:
    scores = np.array([[0.2346236, 0.46620098, 0.2991754], [1e-20, 1, 0]], np.float32)
    raw = series_table.predictions(("y_1", "y_2", "y_3"), scores > 0.4, scores)
    assert raw == b"y_1,y_2,y_3,p_1,p_2,p_3\n0,1,0,0.2346236,0.46620098,0.2991754\n0,1,0,1e-20,1.0,0.0\n"


def test_probabilities_read_back_as_they_were() -> None:
    scores = np.random.default_rng(0).random((500, 2)).astype(np.float32) ** 9
    rows = series_table.predictions(("y1", "y2"), scores > 0.5, scores).decode().splitlines()[1:]
    assert np.array_equal(np.array([row.split(",")[2:] for row in rows], np.float32), scores)


def shared() -> list[Path]:
    return sorted(DATASETS.glob("ucr/*/*.csv")) + sorted(
        DATASETS.glob("lstm-fcn-sagemaker/[tv][rae][al]i*.csv")
    )


@pytest.mark.parametrize("path", [Path(), *shared()], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_shared_files(path: Path, tmp_path: Path) -> None:
    """Files of this form: one made up, so that there is one always, and those that are shared."""
    if path == Path():
        path = tmp_path / "made.csv"
        rows_of = [f"{k % 2},{1 - k % 2},{k / 7!r},{k * 1e3!r},{-k}" for k in range(12)]
        path.write_text("\n".join(["y_1,y_2,x_1,x_2,x_3", *rows_of]) + "\n", encoding="utf-8")
    table = series_table.read(path)
    rows = np.genfromtxt(path, delimiter=",", names=True)
    assert table.task == "multiclass"
    assert table.columns == tuple(f"x_{i}" for i in range(1, len(table.columns) + 1))
    assert (*table.labels, *table.columns) == rows.dtype.names
    assert np.array_equal(table.values[:, -1], rows[table.columns[-1]].astype(np.float32))
