"""The limits as docs/formats.md lists them are those of the code, and each is said when it is met."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines.branches import registry
from storage import printable
from storage.errors import InputError
from storage.label_studio import label_config, label_config_xml
from storage.labels import git_drivers, snapshot
from storage.network import downloads
from storage.remote import sync_state
from storage.s3 import bucket, client, keys, mirror
from storage.text import json_text
from tests.conftest import CHECKOUT
from tests.support.history_project import Past, record


def test_the_table_has_the_limits_of_the_code() -> None:
    text = (CHECKOUT / "docs/formats.md").read_text(encoding="utf-8")
    table = text.partition("## Limits\n")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in table.splitlines()
        if line.startswith("|")
    ]
    found = [(re.findall(r"[0-9][0-9,]*", limit), module.strip("`")) for _, limit, _, module in rows[2:]]
    code = [
        (mirror, mirror.MOST_BYTES),
        (sync_state, sync_state.LARGEST),
        (json_text, json_text.DEEPEST),
        (snapshot, snapshot.LONGEST_NAME),
        (snapshot, snapshot.LARGEST_NUMBER),
        (keys, keys.LONGEST_KEY, keys.LONGEST),
        (registry, registry.LONGEST_BRANCH),
        (printable, printable.LONGEST),
        (git_drivers, git_drivers.LARGEST),
        (client, client.LONGEST_ERROR),
        (label_config, label_config.MOST_LABELS, label_config.LONGEST_LABEL),
        (label_config_xml, label_config_xml.LONGEST),
        (downloads, downloads.MAX_BYTES),
    ]
    wanted = [
        ([f"{limit:,}" for limit in limits], Path(module.__file__).relative_to(CHECKOUT).as_posix())
        for module, *limits in code
    ]
    assert [row for row in wanted if row not in found] == []
    places = [path for _, named in found for path in re.findall(r"[a-z0-9_/]+\.py", named)]
    assert [path for path in places if not (CHECKOUT / path).exists()] == []
    assert len(found) == len(wanted) + 4, "the others have no constant of their own, or more than one"


def test_each_limit_is_said_with_its_number() -> None:
    """What is set aside on the servers is in test_hostile_labels.py and test_odd_records.py."""
    assert (
        bucket.too_large(16_000_001, mirror.MOST_BYTES)
        == "it has 16,000,001 bytes, and 16,000,000 at most are read"
    )
    deep = b"[" * 101 + b"]" * 101
    with pytest.raises(InputError) as caught:
        json_text.parse_json("a.json", deep)
    assert caught.value.why == "lists and objects are nested more than 100 deep"
    assert json_text.parse_json("a.json", deep[1:-1])
    right = record("one", 1, (0, 1, "x" * 1000))
    assert snapshot.problem(right) == ""
    long = right | {"annotator": "x" * 1001}
    assert snapshot.problem(long) == "`annotator` is no text, or longer than 1000 characters"
    with pytest.raises(InputError) as caught:
        record("one", 1, (0, 1, "x" * 1001))
    assert caught.value.why == "a label has 1,001 characters, 1000 at most"
    assert snapshot.is_number(2**63 - 1)
    assert not snapshot.is_number(2**63)
    assert keys.key_problem("/".join(["x" * 100] * 9)) == "it is longer than 900 bytes"
    assert keys.key_problem("x" * 240) == "a part of its name is longer than 240 bytes"
    assert printable.shortened("x" * 1234) == "x" * 200 + "... (1,234 characters)"


def test_a_long_branch_is_refused(tmp_path: Path) -> None:
    past = Past(tmp_path / "clone")
    registry.check_name(past.repository.git, "x" * 100)
    with pytest.raises(InputError) as caught:
        registry.check_name(past.repository.git, "x" * 101)
    assert "more than 100 bytes" in caught.value.why
