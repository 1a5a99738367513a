"""Tables that look like a flat export of Label Studio and are none: nothing of them comes to another recording."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from storage.errors import InputError
from storage.label_studio import label_config
from storage.labels import export

CONFIG = label_config.parse(label_config.render(("x",), ("walk", "run"), "time"))


def test_tasks_of_two_projects_in_one_table_stay_two(tmp_path: Path) -> None:
    """One export put below another: both count from 1."""
    region = {"start": 1, "end": 2, "timeserieslabels": ["walk"]}
    rows = [
        {"csv": f"{name}.csv", "id": 1, "label": [region], "annotator": 1, "annotation_id": number}
        for number, name in enumerate(("one", "two", "one"), 1)
    ]
    (tmp_path / "flat.json").write_text(json.dumps(rows))
    one, two = export.read(tmp_path / "flat.json", CONFIG)
    assert (one.address, [annotation["id"] for annotation in one.annotations]) == ("one.csv", [1, 3])
    assert (two.address, [annotation["id"] for annotation in two.annotations]) == ("two.csv", [2])


def test_a_column_that_is_there_twice_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "flat.csv"
    path.write_text("annotation_id,annotator,csv,subject,subject\n1,2,a.csv,ann,ben\n")
    with pytest.raises(InputError) as caught:
        export.read(path, CONFIG)
    assert caught.value.why == "its first line names the column subject twice"
