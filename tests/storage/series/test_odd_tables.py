"""CSV files in which something stands that readers pass over."""

from __future__ import annotations

import pytest

from storage.errors import InputError
from storage.series.series_table import parse

GOOD = "y_1,y_2,x_1,x_2,x_3\n1,0,1,2,3\n0,1,4,5,6\n"


def refusal(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        parse(text.encode(), "t.csv")
    return caught.value


@pytest.mark.parametrize("more", [",", ",NaN", ",\t"])
def test_cells_beyond_the_header_are_not_passed_over(more: str) -> None:
    text = "y_1,x_1\n" + f"1,2{more}\n0,3{more}\n"
    assert "2 with not as many cells as line 1: line 2 (3 cells, not 2)" in refusal(text).what


def test_a_column_of_true_and_false_is_none_of_numbers() -> None:
    error = refusal("y_1,x_1,x_2\n1,True,0\n0,False,2\n")
    assert "2 with a cell that is no number: line 2 (x_1); line 3 (x_1)" in error.what


def test_commas_in_names_part_no_cells() -> None:
    assert parse(b'"y,1","x,1"\n1,2\n"0",3\n', "t.csv").columns == ("x,1",)


def test_a_quote_that_is_never_closed_is_named_where_it_was_opened() -> None:
    assert refusal(GOOD.replace("1,0,1,2,3", '1,0,1,"2,3', 1)).where == "t.csv:2"


def test_names_in_capitals() -> None:
    assert refusal("Y_1,X_1\n1,2\n").why == "a column is y* or x*, in small letters"
    assert refusal("1.5,2.5\n1.5,2.5\n").why == "line 1 has no column names"


def test_a_byte_order_mark_and_nothing_behind_it() -> None:
    assert refusal("\ufeff").what == "t.csv is empty"
    assert refusal("\ufeff\ny_1,x_1\n0,1\n").what == "line 1 of t.csv is blank"


def test_the_task_is_no_cure_where_it_is_settled() -> None:
    with pytest.raises(InputError) as caught:
        parse(b"y_1,y_2,x_1\n1,1,2\n0,1,3\n", "t.csv", task="multiclass")
    assert caught.value.cure == "one 1 in each row, for the task is multiclass"


def test_a_number_that_is_longer_than_python_reads() -> None:
    assert len(parse(f"y_1,x_{'9' * 5000},x_1\n1,2,3\n".encode(), "t.csv").columns) == 2
