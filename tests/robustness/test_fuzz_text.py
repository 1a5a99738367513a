"""Fuzz targets: texts that are shown, and JSON that is read with limits."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import strategies as st

from storage import printable
from storage.errors import InputError
from storage.network import addresses
from storage.s3 import keys
from storage.text import json_text
from tests.support.fuzzing import REFUSED, TAKEN, Fuzz, refused
from tests.support.hostile import damaged, dumped, texts, values


def test_printable_text(fuzz: Fuzz) -> None:
    def check(text: str) -> str:
        shown = printable.printable(text)
        assert len(shown.splitlines()) <= 1
        assert not printable.UNSAFE.search(shown)
        assert printable.printable(shown) == shown
        shown.encode()
        assert len(printable.shortened(text)) < 10 * printable.LONGEST + 100
        assert len(printable.block([text, text], "  ").split("\n")) == 2
        return TAKEN if shown == text else REFUSED

    fuzz(st.one_of(texts, st.text(st.characters())), check)


def test_json_for_people(fuzz: Fuzz) -> None:
    """`--json` is JSON that means what was said, without a character that a terminal acts on."""

    def check(value: Any) -> str:
        text = printable.dump_json({"version": 1, "value": value})
        assert not printable.UNSAFE.search(text.replace("\n", ""))
        text.encode()
        assert json.loads(text)["value"] == json.loads(json.dumps(value), parse_constant=lambda _: None)
        return TAKEN if text.isascii() else REFUSED

    fuzz(values, check)


def test_json_of_others(fuzz: Fuzz) -> None:
    """What is taken has no number and no depth that JSON, SQLite or a browser could not have."""

    def check(data: bytes) -> str:
        try:
            value = json_text.parse_json("here", data)
        except InputError as error:
            return refused(error, "here")
        json.dumps(value, allow_nan=False)
        assert not (isinstance(value, dict | list) and json_text.is_deep(value))
        for number in numbers(value):
            assert math.isfinite(number)
        return TAKEN

    fuzz(st.one_of(values.map(dumped), values.map(dumped).flatmap(damaged)), check)


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict | list):
        return [n for inner in (value.values() if isinstance(value, dict) else value) for n in numbers(inner)]
    return [value] if isinstance(value, float) else []


def test_addresses(fuzz: Fuzz) -> None:
    """A server's address, or a reason that quotes nothing of it."""

    def check(text: str) -> str:
        try:
            addresses.s3_address(text)
        except ValueError as error:
            assert "secret" not in str(error)
            return refused(InputError("not an address", why=str(error)))
        assert not printable.UNSAFE.search(text)
        return TAKEN

    parts = st.one_of(
        texts, st.sampled_from(["127.0.0.1:9000", "[::1]", "[", "a:b", ":99999", "user:secret@h", "h/p?q#f"])
    )
    fuzz(st.one_of(parts, parts.map(lambda t: f"http://{t}"), parts.map(lambda t: f"https://h{t}")), check)


def test_names_that_are_alike(fuzz: Fuzz) -> None:
    """Names that differ only by case or by Unicode form are one group, whichever comes first."""

    def check(names: list[str]) -> str:
        found = keys.case_collisions(names)
        assert sorted(map(sorted, found)) == sorted(map(sorted, keys.case_collisions(reversed(names))))
        assert all(len(group) > 1 for group in found)
        return TAKEN if found else REFUSED

    name = st.sampled_from(["a", "A", "e\u0301", "\xe9", "É", "ß", "ss", "İ", "i\u0307", "b", "ﬁ", "fi"])
    fuzz(st.lists(st.one_of(name, texts), max_size=5), check)
