"""Tables of whole series in the forms that this field has: read where it is certain, else one line says the form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipelines.classify import predict, train
from storage.errors import InputError
from storage.series import series_table
from storage.series.series_table import SeriesTable
from storage.series.table_forms import FORM

HEAD = "y,x_1,x_2,x_3\n"
# Six series of three timepoints, the odd ones of the second class.
ROWS = [f"{n / 4},{n / 2},{-n}" for n in range(6)]
VALUES = [[n / 4, n / 2, -n] for n in range(6)]


def rows(*classes: str, sep: str = ",", last: bool = False) -> str:
    """The rows with these two classes in turn."""
    lines = [(f"{row},{classes[n % 2]}" if last else f"{classes[n % 2]},{row}") for n, row in enumerate(ROWS)]
    return "\n".join(lines).replace(",", sep) + "\n"


def parse(text: str, **options: object) -> SeriesTable:
    return series_table.parse(text.encode(), "t.csv", **options)  # type: ignore[arg-type]


ARFF = """% made for this test
@RELATION two
@attribute t0 numeric
@ATTRIBUTE 't 1' REAL
@attribute t2 real
@attribute target {1,2}

@data
"""
TS = "#made\n@problemName two\n@univariate true\n@classLabel true walk run\n@data\n"
FORMS = {
    "UCR, tabs": (rows("1", "2", sep="\t"), ("y_1", "y_2"), "the first is taken for the class"),
    "UCR of before, blanks": (
        rows("  1.0000000e+00", "  -1.0000000e+00", sep="  "),
        ("y_-1", "y_1"),
        "the first is taken for the class",
    ),
    "no header, class first": (rows("-1", "1"), ("y_-1", "y_1"), "the first is taken for the class"),
    "no header, class last": (rows("a", "b", last=True), ("y_a", "y_b"), "the last is taken for the class"),
    "ARFF": (
        ARFF + rows("1", "2", last=True),
        ("y_1", "y_2"),
        "the attribute 'target' is taken for the class",
    ),
    ".ts": (
        TS + "".join(f"{row}:{'walk' if n % 2 else 'run'}\n" for n, row in enumerate(ROWS)),
        ("y_run", "y_walk"),
        "2 classes",
    ),
    "a column of words": (
        "label" + HEAD[1:] + rows("good", "bad"),
        ("y_bad", "y_good"),
        "the column 'label' is taken for the class",
    ),
    "another column of words": (
        "state" + HEAD[1:] + rows("good", "bad"),
        ("y_bad", "y_good"),
        "the column 'state' is taken for the class",
    ),
    "words in y": (HEAD + rows("good", "bad"), ("y_bad", "y_good"), "2 classes in 'y': bad, good"),
    "1 and 2": (HEAD + rows("1", "2"), ("y_1", "y_2"), "2 classes in 'y': 1, 2"),
    "1.0 and 2.0": (HEAD + rows("1.0", "2.0"), ("y_1", "y_2"), "2 classes in 'y': 1, 2"),
    "True and False": (HEAD + rows("False", "True"), ("y",), "true is 1 in 'y', false is 0"),
    "yes and no": (HEAD + rows("no", "yes"), ("y_no", "y_yes"), "2 classes in 'y': no, yes"),
    "an index": (
        "," + HEAD + "".join(f"{n},{line}\n" for n, line in enumerate(rows("0", "1").split())),
        ("y",),
        "counts the rows",
    ),
    "semicolons": (
        (HEAD + rows("0", "1")).replace(",", ";").replace(".", ","),
        ("y",),
        "commas are read as decimal separators",
    ),
    "columns called by numbers": (
        "0,1,2,class\n" + rows("a", "b", last=True),
        ("y_a", "y_b"),
        "'0' to '2' are taken for the values",
    ),
    "columns called by times": (
        "label,t0,t1,t2\n" + rows("a", "b"),
        ("y_a", "y_b"),
        "'t0' to 't2' are taken for the values",
    ),
    "a line for Excel": ("sep=;\n" + (HEAD + rows("0", "1")).replace(",", ";"), ("y",), ""),
    "quoted": ('"y","x_1","x_2","x_3"\n' + rows('"a"', '"b"'), ("y_a", "y_b"), "2 classes in 'y': a, b"),
}


@pytest.mark.parametrize("name", FORMS)
def test_each_form_is_read(name: str) -> None:
    text, labels, note = FORMS[name]
    table = parse(text)
    assert table.labels == labels
    assert table.values.tolist() == VALUES
    assert table.targets is not None
    second = table.targets[:, -1] if len(labels) == 1 else table.targets.argmax(1)
    assert len(set(second[::2].tolist())) == len(set(second[1::2].tolist())) == 1
    assert second[0] != second[1]
    assert table.task == ("binary" if len(labels) == 1 else "multiclass")
    assert note in " ".join(table.notes)


def test_utf_16_is_read() -> None:
    table = series_table.parse((HEAD + rows("größer", "kleiner")).encode("utf-16"), "t.csv")
    assert table.labels == ("y_größer", "y_kleiner")


def test_a_table_of_the_one_form_has_no_notes() -> None:
    table = parse("y_1,y_2,x_1\n1,0,5\n0,1,6\n")
    assert (table.notes, table.lines, table.line(1)) == ((), (), 3)


def test_bad_cells_are_named_by_the_lines_of_the_file() -> None:
    lines = (ARFF + rows("1", "2", last=True)).splitlines()
    lines[10] = "oops,2,3,1"
    lines.insert(10, "% a comment")
    with pytest.raises(InputError) as caught:
        parse("\n".join(lines))
    assert (
        caught.value.what
        == "1 of the 6 rows of t.csv cannot be taken:\n  - 1 with a cell that is no number: line 12 (x_1)"
    )
    with pytest.raises(InputError) as caught:
        parse(rows("1", "2", sep="\t").replace("-2", "inf"))
    assert "line 3 (x_3)" in caught.value.what


def refusal(text: str, **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        parse(text, **options)
    return caught.value


UNCERTAIN = {
    "no header and no class": (
        "0.1,0.2,0.3\n0.4,0.5,0.6\n0.7,0.8,0.9\n",
        "it is not clear which column is the class",
    ),
    "no header and two that may be": (
        "1,2,0.3,1\n2,3,0.6,2\n1,2,0.9,1\n2,1,0.1,2\n",
        "it is not clear which column is the class",
    ),
    "two columns of words": (
        "who,state,x_1,x_2\nann,good,1,2\nben,bad,3,4\n",
        "has columns of another kind: who, state",
    ),
    "a column of names": ("name,x_1,x_2\na,1,2\nb,3,4\nc,5,6\nd,7,8\n", "has columns of another kind: name"),
    "fractions": (HEAD + rows("0.3", "1.7"), "nothing in t.csv says what the series are"),
    "a class for each row": (
        HEAD + "".join(f"c{n},{row}\n" for n, row in enumerate(ROWS)),
        "nothing in t.csv says what",
    ),
    "several channels in .ts": (TS + "1,2:3,4:a\n", "is not a series of one channel with its class"),
    "several channels in ARFF": (
        ARFF.replace("t0 numeric", "t0 relational") + "1,2,3,1\n",
        "has series of several channels",
    ),
    "sparse ARFF": (ARFF + "{1 2, 3 1}\n", "leaves values out"),
    "two nominal attributes": (
        ARFF.replace("t2 real", "t2 {a,b}") + "1,2,a,1\n",
        "has 2 attributes that are no numbers",
    ),
    "one column": ("label\na\nb\n", "has one column"),
    "no x": ("label,state\na,b\n", "has columns of another kind"),
    "no y": ("x_1,x_2\n1,2\n", "has no y columns"),
    "quotes": ('label,x_1\n"a,1\nb,2\n', "do not pair up"),
}


@pytest.mark.parametrize("name", UNCERTAIN)
def test_what_is_not_certain_is_refused_with_the_form_in_one_line(name: str) -> None:
    text, what = UNCERTAIN[name]
    error = refusal(text)
    assert what in error.what
    assert error.cure == FORM
    assert "\n" not in error.what + error.cure


def test_the_form_that_errors_ask_for_is_read() -> None:
    table = parse("label,x_1,x_2,x_3\nwalk,0.5,0.7,0.6\nrun,0.1,0.2,0.3\nwalk,0.5,0.6,0.6\nrun,0.2,0.2,0.3\n")
    assert (table.labels, table.columns) == (("y_run", "y_walk"), ("x_1", "x_2", "x_3"))


def test_a_few_other_numbers_among_0_and_1_are_mistakes_until_somebody_says_so() -> None:
    text = HEAD + "".join(f"{n % 2},{n},0,0\n" for n in range(20)) + "2,5,5,5\n"
    assert "1 with a label that is neither 0 nor 1: line 22 (y)" in refusal(text).what
    assert parse(text, task="multiclass").labels == ("y_0", "y_1", "y_2")


@pytest.mark.parametrize("name", [name for name in FORMS if name not in ("an index", "a line for Excel")])
def test_a_model_answers_for_the_form_that_it_learnt_from(name: str, tmp_path: Path) -> None:
    text, labels, _ = FORMS[name]
    (tmp_path / "train").write_text(text, encoding="utf-8")
    quick = ["epochs=2", "hidden-size=2", "filters-1=2", "filters-2=2", "filters-3=2"]
    trained = train.train(tmp_path / "train", tmp_path / "model", overrides=quick)
    assert trained.table.labels == labels
    done = predict.predict(tmp_path / "model", tmp_path / "train", tmp_path / "answers.csv")
    assert done.accuracy is not None
    first = (tmp_path / "answers.csv").read_text(encoding="utf-8").splitlines()[0]
    assert first == ",".join((*labels, *("p" + label.removeprefix("y") for label in labels)))
    (tmp_path / "bare.csv").write_text("x_1,x_2,x_3\n" + "\n".join(ROWS) + "\n", encoding="utf-8")
    (tmp_path / "bare.txt").write_text("\n".join(ROWS).replace(",", "\t") + "\n", encoding="utf-8")
    answers = (tmp_path / "answers.csv").read_bytes()
    for bare in ("bare.csv", "bare.txt"):
        again = predict.predict(tmp_path / "model", tmp_path / bare, tmp_path / "again.csv")
        assert again.accuracy is None
        assert (tmp_path / "again.csv").read_bytes() == answers


def test_a_class_that_the_training_had_not_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(HEAD + rows("a", "b"), encoding="utf-8")
    table = series_table.read(tmp_path / "train.csv")
    error = refusal(HEAD + rows("a", "c"), labels=table.labels, columns=table.columns)
    assert "3 with a class that the training had not: line 3 (c); line 5 (c); line 7 (c)" in error.what
    one = parse(HEAD + "b,1,2,3\n", labels=table.labels, columns=table.columns)
    assert np.array_equal(one.targets, [[False, True]])
