"""What a terminal acts on is spelled out: in lines, in errors, in JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from storage import printable, process
from storage.errors import InputError
from storage.process import ProgramError

HOSTILE = "walk\x1b[2J\n\u202ekcab\x85\x9b31m\x00\ud83d\u2028\ufeff"


def test_a_line_stays_one_line_and_moves_nothing() -> None:
    assert printable.printable(HOSTILE) == (r"walk\x1b[2J\n\u202ekcab\x85\x9b31m\x00\ud83d\u2028\ufeff")


@pytest.mark.parametrize("text", ["ünï čödé", "走る", "🏃\u200d♀️", "می\u200cروم", "a b\u3000c"])
def test_letters_of_every_script_stay(text: str) -> None:
    assert printable.printable(text) == text


def test_a_long_name_is_shortened_and_says_how_long_it_is() -> None:
    assert printable.shortened("x" * 200_000, 5) == "xxxxx... (200,000 characters)"
    assert printable.shortened("a\nb") == r"a\nb"


def test_an_error_cannot_be_forged_by_what_it_quotes() -> None:
    error = InputError(f"no label {HOSTILE!r}", where="a\n  next: rm", why=["one\r", "two"], cure="try\x1b")
    assert str(error).splitlines() == [
        f"no label {HOSTILE!r}".replace("\n", ""),
        r"  where: a\n  next: rm",
        r"  why: one\r",
        "    two",
        r"  next: try\x1b",
    ]
    assert error.to_json()["where"] == r"a\n  next: rm"


def test_json_has_no_number_that_json_cannot_say() -> None:
    value = {"a": [float("nan"), float("-inf"), 1.5], "b": "NaN"}
    assert json.loads(printable.dump_json(value)) == {"a": [None, None, 1.5], "b": "NaN"}


def test_an_error_that_quotes_a_whole_file_stays_a_page_long() -> None:
    error = InputError("not a row", where=["x" * 100_000, "y"], why="z" * 100_000)
    assert [len(line) for line in str(error).splitlines()] == [9, 4033, 5, 4031]
    assert "x... (100,000 characters)" in error.where


def test_output_of_a_program_keeps_its_lines_and_loses_its_escapes() -> None:
    error = ProgramError("`git` failed", returncode=1, stderr="", why=["\x1b[31mfatal", "hint"])
    assert str(error) == "`git` failed\n  why: \\x1b[31mfatal\n    hint"


def test_json_means_what_it_meant_and_has_no_raw_control_character() -> None:
    value = {"label": HOSTILE, "nested": [{"tag\U000e0041": "🏃"}]}
    text = printable.dump_json(value)
    assert json.loads(text) == value
    assert printable.UNSAFE.search(text.replace("\n", "")) is None
    assert "🏃" in text


@pytest.mark.parametrize(
    "name",
    [
        "plain/name",
        "$(touch hit)",
        "a;b",
        "`id`",
        "it's",
        "two words",
        "tab\there",
        "\x1b[2J",
        "x\u202ey",
        "a\x85b",
        "\xad1",
    ],
)
def test_a_name_in_a_command_is_one_word_of_the_shell(name: str, tmp_path: Path) -> None:
    word = printable.argument(name)
    assert printable.printable(word) == word
    read = process.run(["bash", "-c", f"printf %s {word}"], cwd=tmp_path)
    assert (read, list(tmp_path.iterdir())) == (name, [])


def test_a_file_in_a_command_is_no_option_and_keeps_its_bytes(tmp_path: Path) -> None:
    path = Path(os.fsdecode(b"-\x80\x1b1"))
    assert printable.argument(path) == r"$'./-\x80\x1b1'"
    read = process.output(["bash", "-c", f"printf %s {printable.argument(path)}"], cwd=tmp_path)
    assert read == b"./-\x80\x1b1"
    assert printable.argument("-x") == "-x"
