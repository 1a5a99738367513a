"""Where any number of choices may be made, two people's choices come together one by one; none is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.label_studio import label_config
from storage.labels.annotation_merge import merge_records
from storage.labels.snapshot import Record, same
from storage.labels.three_way import Settlement
from tests.pipelines.history.test_choices import CHANNELS, LABELS, choice
from tests.storage.labels.test_annotation_merge import OURS, THEIRS, anything, dump, fields, record, region

Item = dict[str, Any]
SINGLE, SEVERAL = (
    label_config.parse(label_config.render(CHANNELS, LABELS, "time", task=task))
    for task in ("multiclass", "multilabel")
)
NORMAL, ABNORMAL, NOISE = LABELS
NOTED = choice(NORMAL) | {"meta": {"text": ["sure?"]}}
CONFLICT = ["7-abcdef/label:choices"]


def merged(
    base: list[Item], ours: list[Item], theirs: list[Item], config: label_config.LabelConfig = SEVERAL
) -> tuple[list[Item], list[str]]:
    """The merged items and the names of the conflicts, the same with the sides swapped."""
    sides = [record(*base), record(*ours), record(*theirs)]
    found, conflicts = merge_records(*sides, config=config)
    swapped, again = merge_records(sides[0], sides[2], sides[1], config=config)
    names = [conflict.name for conflict in conflicts]
    assert names == [conflict.name for conflict in again]
    assert names or found == swapped
    assert found is not None
    return found["result"], names


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "result"),
    [
        pytest.param([], [choice(NORMAL)], [choice(NOISE)], [choice(NORMAL, NOISE)], id="chosen on both"),
        pytest.param(
            [choice(NORMAL)], [choice(NORMAL, ABNORMAL)], [choice(NORMAL, NOISE)], [choice(*LABELS)],
            id="another one on each side",
        ),
        pytest.param(
            [choice(*LABELS)], [choice(NORMAL, NOISE)], [choice(ABNORMAL, NOISE)], [choice(NOISE)],
            id="another one taken back on each side",
        ),
        pytest.param(
            [choice(NORMAL)], [choice(ABNORMAL)], [choice(NOISE)], [choice(ABNORMAL, NOISE)],
            id="another one for it on each side",
        ),
        pytest.param(
            [choice(NORMAL)], [], [choice(NORMAL, NOISE)], [choice(NOISE)], id="taken back, and one more"
        ),
        pytest.param([choice(NORMAL, NOISE)], [choice(NORMAL)], [choice(NOISE)], [], id="nothing is left"),
        pytest.param(
            [choice(NORMAL)], [choice(NORMAL, NOISE, name="r")], [choice(NORMAL, ABNORMAL)],
            [choice(*LABELS)], id="made anew, the id before stays",
        ),
        pytest.param(
            [choice(NORMAL)], [choice(NORMAL, NOISE, name="s")], [choice(ABNORMAL, name="r")],
            [choice(ABNORMAL, NOISE, name="r")], id="made anew on both",
        ),
        pytest.param(
            [choice(NORMAL)], [choice(NOISE, NORMAL)], [NOTED],
            [NOTED | {"value": {"choices": [NORMAL, NOISE]}}], id="one more, and a note",
        ),
        pytest.param(
            [choice(NORMAL) | {"origin": "prediction"}],
            [choice(NORMAL, ABNORMAL) | {"origin": "prediction-changed"}],
            [choice(NOISE, name="r") | {"origin": "manual"}],
            [choice(ABNORMAL, NOISE) | {"origin": "prediction-changed"}], id="of a prediction, and by hand",
        ),
        pytest.param(
            [choice(NORMAL)], [choice("odd", NORMAL)], [choice("fly", NORMAL)],
            [choice(NORMAL, "fly", "odd")], id="what the label config lacks is kept",
        ),
        pytest.param(
            [choice("low", tag="mood")], [choice("low", tag="mood"), choice(NORMAL)],
            [choice("gay", tag="mood"), choice(NOISE)], [choice("gay", tag="mood"), choice(NORMAL, NOISE)],
            id="beside another tag",
        ),
    ],
)  # fmt: skip
def test_each_choice_comes_and_goes_by_itself(
    base: list[Item], ours: list[Item], theirs: list[Item], result: list[Item]
) -> None:
    assert merged(base, ours, theirs) == (result, [])


@pytest.mark.parametrize(
    ("base", "ours", "theirs"),
    [
        pytest.param([choice(NORMAL)], [], [NOTED], id="taken back, and a note"),
        pytest.param(
            [choice(NORMAL)], [NOTED | {"meta": {"text": ["no"]}}], [NOTED], id="a note on each side"
        ),
        pytest.param(
            [choice(NORMAL)], [choice(NOISE) | {"value": {"choices": [1]}}], [choice(NOISE)], id="no choices"
        ),
        pytest.param([choice("low", tag="mood")], [choice("gay", tag="mood")], [choice("sad", tag="mood")], id="one"),
    ],
)  # fmt: skip
def test_what_cannot_both_be_is_a_conflict(base: list[Item], ours: list[Item], theirs: list[Item]) -> None:
    found, names = merged(base, ours, theirs)
    assert (found, names) == (ours, [f"7-abcdef/{base[0]['from_name']}:choices"])
    for side, settlement in ((ours, OURS), (theirs, THEIRS)):
        sides = (record(*base), record(*ours), record(*theirs))
        assert merge_records(*sides, settlement, SEVERAL) == (record(*side), [])


def test_one_choice_of_many_stays_a_conflict() -> None:
    for config in (SINGLE, None):
        sides = record(choice(NORMAL)), record(choice(ABNORMAL)), record(choice(NOISE))
        found, conflicts = merge_records(*sides, config=config)
        assert (found, [c.name for c in conflicts]) == (sides[1], CONFLICT)


def test_an_annotation_deleted_on_one_side_and_chosen_for_on_the_other() -> None:
    base, chosen = record(choice(NORMAL)), record(choice(NORMAL, NOISE))
    found, conflicts = merge_records(base, None, chosen, config=SEVERAL)
    assert (found, [c.name for c in conflicts]) == (None, ["7-abcdef"])
    assert merge_records(base, None, chosen, Settlement("theirs"), SEVERAL) == (chosen, [])


def test_any_number_of_choices_beside_regions_and_on_them() -> None:
    xml = label_config.render(CHANNELS, LABELS, "time").replace(
        "</View>",
        '<Choices name="flaws" toName="ts" choice="multiple"><Choice value="x"/></Choices>'
        '<Choices name="kind" toName="ts" choice="multiple" perRegion="true"><Choice value="y"/></Choices></View>',
    )
    config = label_config.parse(xml)
    assert (config.several, config.task) == ({"flaws", "kind"}, "segmentation")
    a, b = region("a"), region("b")
    ours = [a, choice("p", name="a", tag="kind"), choice("x", tag="flaws")]
    theirs = [a, choice("q", name="a", tag="kind"), choice("z", tag="flaws"), b]
    found = [a, choice("p", "q", name="a", tag="kind"), choice("x", "z", tag="flaws"), b]
    result, names = merged([a], ours, theirs, config)
    assert (sorted(map(dump, result)), names) == (sorted(map(dump, found)), [])
    gone = merged(
        [a, choice("p", name="a", tag="kind")], [], [a, choice("p", "q", name="a", tag="kind")], config
    )
    assert gone == ([], ["7-abcdef/a"])


# -- whatever two people do ------------------------------------------------------------------------

chosen = st.lists(st.sampled_from([*LABELS, "odd"]), unique=True, max_size=4)
answers = st.builds(
    lambda values, name: [choice(*values, name=name)] if values else [], chosen, st.sampled_from("qr")
)


@given(answers, answers, answers)
def test_a_choice_is_there_where_one_added_it_or_nobody_took_it_back(
    base: list[Item], ours: list[Item], theirs: list[Item]
) -> None:
    found, names = merged(base, ours, theirs)
    was, here, there, now = (
        {label for item in side for label in item["value"]["choices"]} for side in (base, ours, theirs, found)
    )
    assert names == []
    for label in {*LABELS, "odd"}:
        changed = [label in side for side in (here, there) if (label in side) != (label in was)]
        assert (label in now) == (changed[0] if changed else label in was)


@st.composite
def records(draw: st.DrawFn) -> Record:
    found = [*draw(st.lists(anything, max_size=4)), *draw(answers)]
    return record(*draw(st.permutations(found)), **draw(fields))


@given(records(), records(), records())
def test_among_other_results_the_merge_is_symmetric_and_settled_by_name(
    base: Record, a: Record, b: Record
) -> None:
    config = replace(SEVERAL, several=frozenset({"label", "mood"}))
    found, conflicts = merge_records(base, a, b, config=config)
    swapped, again = merge_records(base, b, a, config=config)
    assert [(c.name, c.ours, c.theirs) for c in conflicts] == [(c.name, c.theirs, c.ours) for c in again]
    if not conflicts and not same(a, b):
        assert dump(found) == dump(swapped)
    for side in ("ours", "theirs"):
        named = Settlement("", {conflict.name: side for conflict in conflicts})
        settled = merge_records(base, a, b, named, config)
        assert settled == merge_records(base, a, b, Settlement(side), config)
        assert settled[1] == []


@given(records(), records())
def test_what_one_side_changed_alone_is_taken(base: Record, a: Record) -> None:
    for found, conflicts in (
        merge_records(base, base, a, config=SEVERAL),
        merge_records(base, a, base, config=SEVERAL),
    ):
        assert conflicts == []
        assert found is not None
        assert same(found, a)
