"""Rollback on real servers: git, the bucket and Label Studio hold what the labels were, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipelines.rollback.partial import Selection
from pipelines.rollback.rollback import RollbackResult, rollback, undo
from pipelines.sync.result import SyncResult
from storage.errors import ConflictError, InputError, NotFoundError
from storage.label_studio.client import LabelStudio
from storage.labels.snapshot import Record, canonical
from storage.project import Project
from tests.conftest import Lab, result
from tests.pipelines.test_cli import labeltrail

TIMES = ("id", "created_at", "updated_at", "lead_time", "parent_annotation", "parent_prediction")


def held(lab: Lab) -> list[Record]:
    """What Label Studio holds, as records without what a rollback cannot bring back: number and times."""
    studio = lab.project.studio
    users = studio.users()
    found = []
    for task in studio.tasks(lab.number):
        for number in task.annotations:  # one by one: a list of them would leave out those that were skipped
            annotation = studio.session.call_object("GET", f"/api/annotations/{number}/")
            found.append(canonical(annotation, task.data["series"], users[annotation["completed_by"]]))
    return bare(found)


def bare(records: list[Record]) -> list[Record]:
    found = [{k: r[k] for k in sorted(r.keys() - set(TIMES))} for r in records]
    return sorted(found, key=lambda record: json.dumps(record, sort_keys=True))


def here(lab: Lab) -> list[Record]:
    return bare([record for records in lab.labels().values() for record in records])


def back(lab: Lab, revision: str, dry: bool = False, **part: Any) -> RollbackResult:
    done = rollback(Project(lab.project.root), revision, Selection(**part), dry=dry)
    lab.project = Project(lab.project.root)
    return done


def pointer(lab: Lab, revision: str = "HEAD") -> str | None:
    return lab.project.repository.git.show(revision, "data/labels.dvc")


@pytest.fixture
def days(lab: Lab) -> tuple[Lab, list[SyncResult], dict[str, int]]:
    """Three days of labeling: made; then edited, deleted, skipped, starred; then more of all."""
    studio = lab.project.studio
    made = {
        "edited": lab.annotate("one", (0.1, 0.5, "walk"), (0.9, 0.9, "knock")),
        "deleted": lab.annotate("two", (0.2, 0.4, "run"), lead_time=12.5),
        "starred": lab.annotate("three", (0.3, 0.6, "walk"), ground_truth=True),
    }
    lab.annotate("two", was_cancelled=True)
    lab.annotate("three")
    commits = [lab.sync()]
    studio.update_annotation(made["edited"], result=result((0.1, 0.7, "run")))
    studio.delete_annotation(made["deleted"])
    studio.update_annotation(made["starred"], ground_truth=False)
    made["later"] = lab.annotate("one", (0.2, 0.3, "knock"))
    commits.append(lab.sync())
    studio.delete_annotation(made["later"])
    lab.annotate("two", (1.0, 1.5, "walk"))
    commits.append(lab.sync())
    return lab, commits, made


def test_every_label_commit_can_be_gone_back_to(days: tuple[Lab, list[SyncResult], dict[str, int]]) -> None:
    lab, commits, made = days
    texts = [pointer(lab, done.commit) for done in commits]
    for place in (0, 2, 1, 0):
        done = back(lab, commits[place].commit)
        assert pointer(lab) == texts[place]
        assert here(lab) == held(lab)
        assert done.subject.endswith(f"; back to {commits[place].commit[:7]}")
        head = lab.project.repository.git.head()
        again = lab.sync()
        assert (again.commit, again.pushed, lab.project.repository.git.head()) == ("", 0, head)
        assert lab.project.repository.git.run("status", "--porcelain") == ""
    edited = next(a for a in lab.project.studio.annotations(lab.tasks()["one"]))
    assert edited["id"] == made["edited"], "patched in place"
    [record] = [r for r in lab.labels()["two"] if r["result"]]
    assert (record["lead_time"], [i["id"] for i in record["result"]]) == (12.5, ["a"])
    assert record["id"].startswith(f"{made['deleted']}-")


def test_what_was_not_synced_yet_is_kept_in_its_own_commit(
    days: tuple[Lab, list[SyncResult], dict[str, int]],
) -> None:
    lab, commits, _ = days
    lab.annotate("one", (1.2, 1.4, "walk"))
    done = back(lab, commits[0].commit)
    assert done.kept.subject == "labels: +1 in 1 series"
    assert pointer(lab) == pointer(lab, commits[0].commit)
    assert here(lab) == held(lab)
    back(lab, done.kept.commit)
    assert 1.4 in [i["value"]["end"] for r in lab.labels()["one"] for i in r["result"]]
    assert here(lab) == held(lab)


def test_undo_and_undo_again(days: tuple[Lab, list[SyncResult], dict[str, int]]) -> None:
    lab, commits, _ = days
    texts = [pointer(lab, done.commit) for done in commits]
    for expected in (texts[1], texts[2], texts[1]):
        undo(Project(lab.project.root))
        assert pointer(lab) == expected
        assert here(lab) == held(lab)
    back(lab, commits[0].commit)
    undo(Project(lab.project.root))
    assert pointer(lab) == texts[1]


def test_undo_takes_back_no_labels_that_no_sync_has_seen(
    days: tuple[Lab, list[SyncResult], dict[str, int]],
) -> None:
    lab, commits, _ = days
    lab.annotate("one", (1.2, 1.4, "walk"))
    before, head = held(lab), lab.project.repository.git.head()
    with pytest.raises(ConflictError, match="labeled since") as refused:
        undo(Project(lab.project.root))
    assert f"labeltrail rollback {commits[2].commit[:12]}^" in refused.value.cure
    assert (held(lab), lab.project.repository.git.head()) == (before, head)
    lab.sync()
    undo(Project(lab.project.root))
    assert pointer(lab) == pointer(lab, commits[2].commit)


def test_a_choice_that_is_like_nothing_is_named(days: tuple[Lab, list[SyncResult], dict[str, int]]) -> None:
    lab, commits, _ = days
    head = lab.project.repository.git.head()
    with pytest.raises(InputError) as refused:
        back(lab, commits[0].commit, series=("one", "won"), annotators=("nobody@*",), labels=("Walk", "run"))
    what = "no annotation matches --annotator 'nobody@*', --label 'Walk', --series 'won'"
    assert (refused.value.what, lab.project.repository.git.head()) == (what, head)
    said = labeltrail(lab.project.root, "rollback", "HEAD", "--series", "one").splitlines()
    assert said[-2:] == ["nothing to commit", "next: labeltrail log"]


def test_a_dry_run_changes_nothing_and_says_it_all(
    days: tuple[Lab, list[SyncResult], dict[str, int]],
) -> None:
    lab, commits, _ = days
    before, head = held(lab), lab.project.repository.git.head()
    done = back(lab, commits[0].commit, dry=True)
    assert (held(lab), lab.project.repository.git.head()) == (before, head)
    assert lab.project.repository.git.run("status", "--porcelain") == ""
    assert done.to_json()["changes"]["annotations"] == {"+": 1, "~": 2, "-": 1}
    text = "\n".join(done.lines())
    assert (
        "2 annotations changed in place, 1 annotation created again, 1 annotation deleted (would be)" in text
    )
    assert "best model: unchanged" in text
    assert text.endswith("dry run: nothing was changed")
    assert back(lab, commits[0].commit).plan == done.plan


@pytest.mark.parametrize(
    ("part", "regions"),
    [
        ({"series": ("t*",)}, {"one": ["run 0.1"], "two": ["run 0.2", "-"], "three": ["walk 0.3", "-"]}),
        ({"labels": ("walk",)}, {"one": ["walk 0.1"], "two": ["-"], "three": ["walk 0.3", "-"]}),
        (
            {"labels": ("knock",)},
            {"one": ["run 0.1, knock 0.9"], "two": ["walk 1.0", "-"], "three": ["walk 0.3", "-"]},
        ),
    ],
)
def test_a_part_goes_back_and_the_rest_stays(
    days: tuple[Lab, list[SyncResult], dict[str, int]], part: dict[str, Any], regions: dict[str, list[str]]
) -> None:
    lab, commits, _ = days
    back(lab, commits[0].commit, **part)
    assert here(lab) == held(lab)
    assert {series: sorted(words(r) for r in records) for series, records in lab.labels().items()} == {
        series: sorted(found) for series, found in regions.items() if found
    }
    assert lab.sync().commit == ""


def words(record: Record) -> str:
    """`walk 0.1` for each region, `-` for none."""
    items = [f"{i['value']['timeserieslabels'][0]} {i['value']['start']}" for i in record["result"]]
    return ", ".join(items) or "-"


def test_a_draft_stays_and_one_on_an_annotation_that_would_change_stops_it(
    days: tuple[Lab, list[SyncResult], dict[str, int]],
) -> None:
    lab, commits, made = days
    studio, task = lab.project.studio, lab.tasks()["one"]
    draft = {"result": result((1.1, 1.2, "run")), "lead_time": 1}
    studio.session.call("POST", f"/api/tasks/{task}/drafts", json=draft)
    studio.session.call("POST", f"/api/tasks/{task}/annotations/{made['edited']}/drafts", json=draft)
    before, head = held(lab), lab.project.repository.git.head()
    with pytest.raises(InputError) as caught:
        back(lab, commits[0].commit)
    assert caught.value.where == f"annotation {made['edited']} on one, by {studio.whoami()}"
    assert (held(lab), lab.project.repository.git.head()) == (before, head)
    back(lab, commits[0].commit, series=("t*",))
    assert [d["annotation"] for d in studio.drafts(lab.number).begun] == [None, made["edited"]]
    [submitted] = [d for d in studio.drafts(lab.number).begun if d["annotation"]]
    studio.session.call("DELETE", f"/api/drafts/{submitted['id']}/")
    back(lab, commits[0].commit)
    assert [(d["annotation"], d["result"]) for d in studio.drafts(lab.number).begun] == [
        (None, draft["result"])
    ]
    assert here(lab) == held(lab)


def test_labels_that_the_label_config_lacks_are_refused(lab: Lab) -> None:
    lab.annotate("one", (0.1, 0.5, "knock"))
    first = lab.sync().commit
    [made] = [a["id"] for a in lab.project.studio.annotations(lab.tasks()["one"])]
    lab.project.studio.delete_annotation(made)
    lab.sync()
    config = lab.project.studio.projects.get(lab.number)["label_config"]
    lab.project.studio.projects.update(lab.number, label_config=config.replace('"knock"', '"tap"'))
    with pytest.raises(InputError) as caught:
        back(lab, first)
    assert "no 'knock'" in caught.value.what
    lab.project.repository.git.run("checkout", first, "--", "data/label_config.xml")
    lab.sync()
    back(lab, first)
    assert here(lab) == held(lab)


def test_a_revision_without_labels_or_without_meaning_is_said(lab: Lab) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    with pytest.raises(NotFoundError, match="no revision 'yesterday'"):
        back(lab, "yesterday")
    with pytest.raises(NotFoundError, match="no label snapshot in"):
        back(lab, "HEAD~1")
    with pytest.raises(NotFoundError, match="no label commit before the last"):
        undo(Project(lab.project.root))


WRITES = ("create_annotation", "update_annotation", "delete_annotation")


def cut_off(lab: Lab, revision: str, write: int) -> bool:
    """Roll back, cut off after one of the writes to Label Studio; whether there were as many."""
    count = 0

    def wrapped(plain: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **fields: Any) -> Any:
            nonlocal count
            count += 1
            answer = plain(*words, **fields)
            if count == write:
                raise KeyboardInterrupt
            return answer

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in WRITES:
            patch.setattr(LabelStudio, name, wrapped(getattr(LabelStudio, name)))
        try:
            back(lab, revision)
        except KeyboardInterrupt:
            return True
    return False


def test_a_rollback_that_moves_a_star_may_be_cut_off_anywhere(lab: Lab) -> None:
    """Label Studio takes a star away from a task's other annotations by itself, and that is nobody's edit."""
    first = lab.annotate("three", (0.1, 0.5, "walk"), ground_truth=True)
    lab.annotate("three", (0.7, 0.9, "run"))
    lab.sync()
    then = lab.project.repository.git.head()
    lab.project.studio.update_annotation(first, result=result((0.1, 0.6, "walk")))
    lab.annotate("three", (0.2, 0.4, "run"), ground_truth=True)
    lab.annotate("three", (0.2, 0.3, "run"))
    lab.sync()
    now = lab.project.repository.git.head()
    for write in range(1, 9):
        cut = False
        for revision in (then, now):
            cut |= cut_off(lab, revision, write)
            back(lab, revision)
            assert pointer(lab) == pointer(lab, revision)
            assert held(lab) == here(lab)
            assert lab.sync().commit == ""
        if not cut:
            return
    pytest.fail("it was never done without a cut")
