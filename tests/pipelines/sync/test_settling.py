"""Sync by parts: pull, push, dry run, known annotations; and conflicts, settled for all or one by one."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from pipelines.sync.result import Options, SyncResult
from pipelines.sync.sync import sync
from storage.errors import ConflictError, InputError
from storage.labels.three_way import Settlement
from storage.project import Project
from tests.conftest import Lab, result

WALK, RUN = (0.1, 0.5, "walk"), (0.8, 1.2, "run")


def again(lab: Lab, **options: object) -> SyncResult:
    lab.project = Project(lab.project.root)
    return sync(lab.project, Options(**options))  # type: ignore[arg-type]


def held(lab: Lab, series: str) -> list[list[dict[str, object]]]:
    """Results of a series' annotations in Label Studio."""
    return [a["result"] for a in lab.project.studio.annotations(lab.tasks()[series])]


@dataclass
class Parted:
    """An annotation of two regions that the work tree and Label Studio both have changed since the last sync."""

    lab: Lab
    number: int
    record: str

    def settled(self, **settle: object) -> SyncResult:
        return again(self.lab, settlement=Settlement(**settle))  # type: ignore[arg-type]


def part(
    lab: Lab,
    ours: list[tuple[float, float, str]],
    theirs: list[tuple[float, float, str]],
    series: str = "one",
) -> Parted:
    """`ours` in a label commit that git brought back, `theirs` in Label Studio, both from [WALK, RUN]."""
    made = lab.annotate(series, *ours)
    wanted = lab.sync()
    lab.project.studio.update_annotation(made, result=result(WALK, RUN))
    lab.sync()
    lab.project.repository.git.run("checkout", wanted.commit, "--", "data/labels.dvc")
    lab.project.studio.update_annotation(made, result=result(*theirs))
    (record,) = lab.labels()[series]
    return Parted(lab, made, record["id"])


def test_two_regions_moved_on_two_sides_are_no_conflict(lab: Lab) -> None:
    parted = part(lab, [(0.1, 0.6, "walk"), RUN], [WALK, (0.8, 1.4, "run")])
    done = lab.sync()
    both = result((0.1, 0.6, "walk"), (0.8, 1.4, "run"))
    assert (done.pushed, [r["result"] for r in lab.labels()["one"]], held(lab, "one")) == (1, [both], [both])
    assert [a["id"] for a in lab.project.studio.annotations(lab.tasks()["one"])] == [parted.number]
    assert lab.sync().commit == ""


@pytest.mark.parametrize("by_name", [False, True])
def test_a_region_that_both_sides_moved_is_settled(lab: Lab, by_name: bool) -> None:
    for series, side, wanted in (("one", "ours", (0.1, 0.6, "walk")), ("two", "theirs", (0.1, 0.9, "run"))):
        parted = part(lab, [(0.1, 0.6, "walk"), RUN], [(0.1, 0.9, "run"), RUN], series)
        name = f"{parted.record}/a"
        with pytest.raises(ConflictError) as caught:
            lab.sync()
        assert caught.value.where == (
            f"{name} in {series} ({lab.project.studio.whoami()}): here walk 0.1 to 0.6; "
            "in Label Studio run 0.1 to 0.9; before walk 0.1 to 0.5"
        )
        assert caught.value.cure.endswith(f"labeltrail sync --settle {name}=ours")
        parted.settled(**({"named": {name: side}} if by_name else {"all": side}))
        expected = result(wanted, RUN)
        assert ([r["result"] for r in lab.labels()[series]], held(lab, series)) == ([expected], [expected])
        assert lab.sync().commit == ""


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_an_annotation_edited_on_one_side_and_deleted_on_the_other(lab: Lab, side: str) -> None:
    parted = part(lab, [(0.1, 0.6, "walk"), RUN], [WALK, RUN])
    lab.project.studio.delete_annotation(parted.number)
    with pytest.raises(ConflictError) as caught:
        lab.sync()
    assert caught.value.where.endswith("here 2 regions; in Label Studio nothing; before 2 regions")
    parted.settled(all=side)
    expected = [result((0.1, 0.6, "walk"), RUN)] if side == "ours" else []
    assert held(lab, "one") == expected
    assert [r["result"] for r in lab.labels().get("one", [])] == expected
    assert [r["id"] for r in lab.labels().get("one", [])] == [parted.record] * len(expected)
    assert lab.sync().commit == ""


def test_a_dry_run_tells_and_writes_nothing(lab: Lab) -> None:
    parted = part(lab, [(0.1, 0.6, "walk"), RUN], [(0.1, 0.9, "run"), RUN])
    lab.annotate("two", WALK)
    head, state = lab.project.repository.git.head(), lab.project.bucket.get(lab.project.remote.state_key)
    done = again(lab, dry_run=True)
    assert (done.dry, done.commit, done.subject) == (True, "", "labels: +1 in 1 series")
    assert [c.name for c in done.conflicts] == [f"{parted.record}/a"]
    assert json.loads(json.dumps(done.to_json()))["conflicts"][0]["theirs"]["value"]["end"] == 0.9
    assert "would be  labels: +1 in 1 series" in "\n".join(done.lines())
    assert lab.project.repository.git.head() == head
    assert lab.project.bucket.get(lab.project.remote.state_key) == state
    assert list(lab.labels()) == ["one"]


def test_pull_leaves_label_studio_alone_and_push_the_label_commits(lab: Lab) -> None:
    made = lab.annotate("one", WALK)
    first = lab.sync()
    lab.project.studio.update_annotation(made, result=result(RUN))
    lab.sync()
    lab.project.repository.git.run("checkout", first.commit, "--", "data/labels.dvc")
    lab.annotate("two", WALK)
    done = again(lab, push=False)
    assert (done.pushed, held(lab, "one")) == (0, [result(RUN)])
    assert {s: [r["result"] for r in found] for s, found in lab.labels().items()} == {
        "one": [result(WALK)],
        "two": [result(WALK)],
    }
    lab.annotate("three", RUN)
    done = again(lab, pull=False)
    assert (done.pushed, held(lab, "one"), list(lab.labels())) == (1, [result(WALK)], ["one", "two"])
    done = lab.sync()
    assert (done.pushed, done.subject, list(lab.labels())) == (
        0,
        "labels: +1 in 1 series",
        ["one", "three", "two"],
    )
    assert lab.sync().commit == ""


@pytest.mark.parametrize(("options", "side"), [({"push": False}, "ours"), ({"pull": False}, "theirs")])
def test_a_side_that_is_not_written_cannot_be_settled_for(
    lab: Lab, options: dict[str, bool], side: str
) -> None:
    with pytest.raises(InputError, match=f"cannot settle for {side}"):
        again(lab, settlement=Settlement(all=side), **options)


def test_a_known_annotation_is_synced_without_a_look_at_others(lab: Lab) -> None:
    first, second = lab.annotate("one", WALK), lab.annotate("two", WALK)
    lab.sync()
    lab.project.studio.update_annotation(first, result=result(RUN))
    lab.project.studio.update_annotation(second, result=result(RUN))
    new = lab.annotate("three", RUN)
    done = again(lab, annotations=(first, new))
    assert done.subject == "labels: +1 ~1 in 2 series"
    assert {s: [r["result"] for r in found] for s, found in lab.labels().items()} == {
        "one": [result(RUN)],
        "three": [result(RUN)],
        "two": [result(WALK)],
    }
    lab.project.studio.delete_annotation(new)
    assert again(lab, annotations=(new,)).subject == "labels: -1 in 1 series"
    assert lab.sync().subject == "labels: ~1 in 1 series"
    assert lab.sync().commit == ""


@pytest.mark.parametrize("named", [True, False])
def test_an_object_that_label_studio_leaves_behind_is_deleted(lab: Lab, named: bool) -> None:
    number = lab.annotate("one", WALK)
    lab.sync()
    key = f"main/annotations/{number}"
    data, _ = lab.project.bucket.get(key)
    lab.project.studio.delete_annotation(number)
    lab.project.bucket.put(key, data, content_type="application/json")
    assert again(lab, annotations=(number,) if named else None).subject == "labels: -1 in 1 series"
    assert list(lab.project.bucket.objects(key)) == []


def test_what_is_saved_while_labels_are_pushed_is_not_written_over(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = lab.annotate("one", WALK, RUN)
    first = lab.sync()
    lab.project.studio.update_annotation(made, result=result((0.1, 0.6, "walk"), RUN))
    lab.sync()
    lab.project.repository.git.run("checkout", first.commit, "--", "data/labels.dvc")
    studio = type(lab.project.studio)
    real, saved = studio.annotation, []

    def meanwhile(self: object, number: int) -> object:
        if not saved:
            saved.append(number)
            moved = result((0.1, 0.6, "walk"), (0.8, 1.5, "run"))
            lab.project.studio.update_annotation(number, result=moved)
        return real(self, number)  # type: ignore[arg-type]

    monkeypatch.setattr(studio, "annotation", meanwhile)
    lab.sync()
    both = result(WALK, (0.8, 1.5, "run"))
    assert (held(lab, "one"), [r["result"] for r in lab.labels()["one"]]) == ([both], [both])
    assert lab.sync().commit == ""


def test_an_edit_that_somebody_has_begun_is_not_dropped(lab: Lab) -> None:
    parted = part(lab, [(0.1, 0.6, "walk"), RUN], [WALK, RUN])
    studio, draft = lab.project.studio, {"result": result(RUN), "lead_time": 1}
    studio.session.call(
        "POST", f"/api/tasks/{lab.tasks()['one']}/annotations/{parted.number}/drafts", json=draft
    )
    with pytest.raises(ConflictError) as caught:
        lab.sync()
    assert caught.value.where == f"annotation {parted.number} on one, by {studio.whoami()}"
    (begun,) = studio.drafts(lab.number).begun
    assert (begun["result"], held(lab, "one")) == (draft["result"], [result(WALK, RUN)])
    studio.session.call("DELETE", f"/api/drafts/{begun['id']}/")
    assert lab.sync().pushed == 1
    assert held(lab, "one") == [result((0.1, 0.6, "walk"), RUN)]
