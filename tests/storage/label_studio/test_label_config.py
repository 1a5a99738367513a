"""The label config as Label Studio reads it: names in any case, aliases, and what it refuses, with the cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.sync import shared_label_config, unknown_labels
from stages.classification.targets import read_choices
from stages.segmentation.targets import make_targets
from storage.errors import InputError
from storage.label_studio import label_config, label_config_xml
from storage.labels import export

GOOD = """<View>
  <TimeSeriesLabels name="label" toName="ts"><Label value="A"/><Label value="B"/></TimeSeriesLabels>
  <TimeSeries name="ts" value="$csv" valueType="url" timeColumn="time"><Channel column="x"/></TimeSeries>
</View>"""
ALIAS = GOOD.replace('value="A"', 'value="Walking uphill" alias="w"')
WHOLE = """<View>
  <Choices name="kind" toName="ts"><Choice value="Good one" alias="good"/><Choice value="bad"/></Choices>
  <TimeSeries name="ts" value="$csv"><Channel column="x"/></TimeSeries>
</View>"""


def record(*labels: str, **fields: Any) -> dict[str, Any]:
    """An annotation with a region of each label, a second long, one after the other."""
    result = [
        {
            "id": f"r{n}",
            "from_name": "label",
            "to_name": "ts",
            "type": "timeserieslabels",
            "value": {"start": n, "end": n, "instant": True, "timeserieslabels": [label]},
        }
        for n, label in enumerate(labels)
    ]
    return {"id": "1-a", "series": "one", "was_cancelled": False, "result": result} | fields


@pytest.mark.parametrize(
    "name", ["timeColumn", "valueType", "TimeSeriesLabels", "Channel", "Label", "column"]
)
@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_names_in_any_case_mean_the_same(name: str, change: Any) -> None:
    assert label_config.parse(GOOD.replace(name, change(name))) == label_config.parse(GOOD)


def test_a_label_is_what_label_studio_writes_its_alias() -> None:
    config = label_config.parse(ALIAS)
    assert config.labels == ("w", "B")
    targets = make_targets([record("w", "B", "Walking uphill")], np.arange(3.0), config, 0)
    # What was labeled before there was an alias is that label too: the page shows it so.
    assert [region.label for region in targets.regions] == ["w", "B", "w"]
    assert targets.values.tolist() == [1, 2, 1]
    assert not targets.left_out
    assert export.problems({"result": record("w", "Walking uphill")["result"]}, config) == []


def test_a_sign_of_a_key_in_a_label_is_a_letter_like_others() -> None:
    """Label Studio writes the label as it stands; of a choice what the task data says, where it names a key."""
    assert label_config.parse(GOOD.replace('"A"', '"$(touch x)"')).labels == ("$(touch x)", "B")
    assert label_config.parse(GOOD.replace('"A"', '"$a"')).labels == ("$a", "B")
    assert label_config.parse(WHOLE.replace('"bad"', '"$ bad"')).labels == ("good", "$ bad")


def test_a_choice_is_its_alias_or_its_value() -> None:
    config = label_config.parse(WHOLE)
    assert config.labels == ("good", "bad")
    for name in ("good", "Good one"):
        item = {"from_name": "kind", "to_name": "ts", "type": "choices", "value": {"choices": [name]}}
        left_out: Any = {}
        assert read_choices({"id": "1-a", "result": [item]}, config, left_out) == ("good",)
        assert not left_out


REFUSED = {
    "a slip": (GOOD.replace("timeColumn", "timeColum"), "is timeColumn meant?"),
    "an underscore": (GOOD.replace("timeColumn", "time_column"), "is timeColumn meant?"),
    "a slip in a tag": (GOOD.replace("<Channel", "<Chanel"), "is Channel meant?"),
    "twice by case": (GOOD.replace("timeColumn=", 'timecolumn="x" timeColumn='), "has timeColumn twice"),
    "a format without a column": (GOOD.replace("timeColumn", "timeFormat"), "a timeFormat and no timeColumn"),
    "a kind": (GOOD.replace('"url"', '"csv"'), "Label Studio's page takes url or json"),
    "a kind in capitals": (GOOD.replace('"url"', '"JSON"'), "Label Studio's page takes url or json"),
    "a year twice": (GOOD.replace("timeColumn=", 'timeFormat="%Y %-Y" timeColumn='), "it has %Y and %Y"),
    "days in two ways": (GOOD.replace("timeColumn=", 'timeFormat="%d %%%e" timeColumn='), "it has %d and %e"),
    "a small z": (GOOD.replace("timeColumn=", 'timeFormat="%H%z" timeColumn='), "write %Z for %z"),
    "a path of keys": (GOOD.replace("$csv", "$a.b"), "more than the name of a key"),
    "labels of the task": (GOOD.replace("toName=", 'value="$l" toName='), "write them into <TimeSeriesLabels>"),
    "a choice of the task": (WHOLE.replace('"bad"', '"not $a"'), "leaves its labels to the task data: not $a"),
    "two of one name": (GOOD.replace('value="A"', 'value="B" alias="C"'), "what annotations call another"),
    "one alias twice": (ALIAS.replace('value="B"', 'value="b" alias="w"'), "names a label twice: w"),
    "too many": (GOOD.replace("<Label", 999 * "<Label value=\"c\"/>" + "<Label", 1), "it has 1,001, 1,000 at most"),
    "too long": (GOOD.replace('"A"', f'"{"A" * 1001}"'), "(1,001 characters), 1,000 at most"),
    "a document type": (f"<!DOCTYPE View>{GOOD}", "a document type (<!DOCTYPE View>), which Label Studio refuses"),
    "a bomb": ('<!DOCTYPE a [<!ENTITY b "c">]>' + GOOD.replace('"A"', '"&b;"'), "which Label Studio refuses"),
    "a declaration": (f'<?xml version="1.0" encoding="utf-8"?>\n{GOOD}', "delete the first line of the label config"),
    "half a character": (GOOD.replace('"A"', '"\ud800"'), "surrogates not allowed"),
    "a zero": (GOOD.replace('"A"', '"\0"'), "not well-formed"),
    "deep": ("<View>" * 9999 + GOOD + "</View>" * 9999, "more than 100 deep"),
    "long": (GOOD + " " * 1_000_000, "1,000,000 at most"),
    "nothing": ("", "no element found"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_label_studio_would_not_read_so_is_refused(name: str) -> None:
    xml, words = REFUSED[name]
    with pytest.raises(InputError) as caught:
        label_config.parse(xml, "config.xml")
    assert words in str(caught.value)
    assert caught.value.where == "config.xml"
    assert caught.value.cure
    assert len(str(caught.value)) < 600


def test_a_label_config_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.xml").write_bytes(GOOD.replace("A", "Ä").encode("latin-1"))
    with pytest.raises(InputError, match="not in UTF-8"):
        label_config.load(tmp_path / "config.xml")


def test_what_is_written_anew_keeps_the_rest() -> None:
    inline = (
        GOOD.replace("valueType", "valuetype")
        .replace('"url"', '"json"')
        .replace("<View>", "<View><!-- mine -->")
    )
    written = label_config_xml.by_address(inline)
    assert label_config.parse(written) == label_config.parse(GOOD)
    assert "<!-- mine -->" in written
    dynamic = GOOD.replace('<Label value="A"/><Label value="B"/>', "").replace(
        'toName="ts"', 'toName="ts" value="$l"'
    )
    assert label_config.parse(
        label_config_xml.with_labels(dynamic, [{"value": "A"}, {"value": "B"}])
    ) == label_config.parse(GOOD)


def test_labels_that_the_config_lacks_are_counted_with_series_and_a_cure_that_cures() -> None:
    config = label_config.parse(GOOD)
    records = [
        record("A", "walk", "walk"),
        record("walk", "run", series="two"),
        record("swim", was_cancelled=True),
    ]
    found = unknown_labels.find(records, config)
    assert unknown_labels.lines(found, config) == [
        "3 regions of label 'walk' in 2 series (one, two): the label config has no such label",
        "1 region of label 'run' in 1 series (two): the label config has no such label",
    ]
    assert '<Label value="NEW NAME" alias="walk"/>' in unknown_labels.cure(found, config)
    cured = label_config.parse(
        GOOD.replace('<Label value="A"/>', '<Label value="A"/><Label value="NEW" alias="walk"/>')
    )
    assert list(unknown_labels.find(records, cured)) == ["run"]
    assert unknown_labels.warnings([record("A", "B")], config) == []


def test_another_key_for_recordings_is_refused_by_sync() -> None:
    """Tasks that there are would show nothing any more."""
    agreed = shared_label_config.digest(GOOD)
    with pytest.raises(InputError) as caught:
        shared_label_config.plan(GOOD.replace("$csv", "$url"), GOOD, agreed, "")
    assert caught.value.cure == 'write <TimeSeries value="$csv"> there, then labeltrail sync'
    assert shared_label_config.plan(f"\n{GOOD}\n", GOOD, agreed, "").settled, "Label Studio cuts blanks off"
