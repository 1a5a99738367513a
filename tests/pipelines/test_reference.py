"""docs/cli.md is what the program says about itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.cli import reference
from pipelines.cli.app import EXIT_CODES
from pipelines.cli.reference import help_texts

ROOT = Path(__file__).parents[2]
COMMANDS = dict(help_texts())


def test_the_page_is_what_the_generator_makes() -> None:
    assert (ROOT / reference.PATH).read_text(encoding="utf-8") == reference.render(), "run `make docs`"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "labeltrail"])
def test_every_command_shows_how_it_is_called(name: str) -> None:
    assert f"Example: {name}" in COMMANDS[name]


def test_the_epilog_of_help_names_every_exit_code() -> None:
    codes = [code for code, _ in sorted(reference.meanings())]
    assert codes == list(range(len(codes)))
    assert [code for code in codes if f" {code} " in EXIT_CODES] == codes
