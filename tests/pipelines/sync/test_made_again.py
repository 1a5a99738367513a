"""Annotations that a sync made again: nothing has looked at their objects yet, and all may happen to them before."""

from __future__ import annotations

from dataclasses import replace

from pipelines.branches import registry
from pipelines.sync.result import Options, SyncResult
from pipelines.sync.sync import sync
from storage.project import Project
from tests.conftest import Lab, result
from tests.support.edits import delete

WALK, RUN = (0.1, 0.5, "walk"), (0.8, 1.2, "run")


def by_numbers(lab: Lab, *numbers: int) -> SyncResult:
    return sync(Project(lab.project.root), Options(annotations=numbers))


def back(lab: Lab, commit: str) -> None:
    lab.project.repository.git.run("checkout", commit, "--", "data/labels.dvc")


def numbers(lab: Lab, series: str) -> list[int]:
    """Numbers of a recording's annotations in Label Studio."""
    return sorted(a["id"] for a in lab.project.studio.annotations(lab.tasks()[series]))


def made_again(lab: Lab, series: str = "one") -> int:
    """A label that was deleted in Label Studio comes back by plain git; returns its new number."""
    old = lab.annotate(series, WALK)
    commit = lab.sync().commit
    lab.project.studio.delete_annotation(old)
    lab.sync()
    back(lab, commit)
    assert lab.sync().pushed == 1
    (new,) = numbers(lab, series)
    assert new != old
    return new


def test_what_was_made_again_can_be_deleted(lab: Lab) -> None:
    for named in ("all", "itself", "another"):
        new = made_again(lab)
        other = lab.annotate("two", RUN)
        delete(lab.project, new)
        done = lab.sync() if named == "all" else by_numbers(lab, new if named == "itself" else other)
        assert "-1" in done.subject, named
        lab.sync()
        assert list(lab.labels()) == ["two"], named
        assert (lab.sync().commit, numbers(lab, "one")) == ("", []), named


def test_what_was_made_again_is_not_taken_for_deleted_where_its_neighbour_changes(lab: Lab) -> None:
    """A whole shard is compared, and by number nobody lists the bucket."""
    old, neighbour = lab.annotate("one", WALK), lab.annotate("one", RUN)
    first = lab.sync()
    lab.project.studio.update_annotation(neighbour, result=result((0.8, 1.4, "run")))
    second = lab.sync()
    lab.project.studio.delete_annotation(old)
    lab.sync()
    back(lab, second.commit)
    assert lab.sync().pushed == 1
    back(lab, first.commit)
    by_numbers(lab, lab.annotate("two", RUN))
    assert sorted(len(found) for found in lab.labels().values()) == [1, 2]
    assert [r["result"] for r in lab.labels()["one"]] == [result(WALK), result(RUN)]
    assert len(numbers(lab, "one")) == 2
    assert lab.sync().commit == ""


def test_an_object_that_is_gone_from_the_bucket_is_no_deletion(lab: Lab) -> None:
    first = lab.annotate("one", WALK)
    lab.sync()
    for series, number in (("one", first), ("two", made_again(lab, "two"))):
        for named in (False, True):
            lab.project.bucket.delete([lab.project.remote.annotations.key(number)])
            done = by_numbers(lab, number) if named else lab.sync()
            assert (done.commit, done.healed, len(lab.labels()[series])) == ("", 1, 1), (series, named)
            assert lab.sync().commit == "", (series, named)


def test_a_clone_that_missed_it_under_an_earlier_version_makes_up_for_it(lab: Lab) -> None:
    """It said `agreed`, and had marked no annotation that it made again."""
    delete(lab.project, made_again(lab))
    mirror, remote = lab.project.mirror, lab.project.remote
    state = remote.state()
    assert state is not None
    notes = [(f"agreed {remote.prefix}", state.etag), (f"known {remote.prefix}", "")]
    mirror.settle(remote.annotations_prefix, notes, ())
    assert lab.sync().subject == "labels: -1 in 1 series"


def test_no_annotation_stands_for_the_record_of_another_one_whatever_sync_json_says(lab: Lab) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    lab.annotate("one", (0.6, 0.9, "run"))
    lab.sync()
    first, second = (record["id"] for record in lab.labels()["one"])
    remote = lab.project.remote
    state = remote.state()
    assert state is not None
    remote.write_state(replace(state, ids={second: first}))
    assert lab.sync().commit == ""
    remote.mirror.forget([remote.annotations.key(int(second.partition("-")[0]))])
    assert lab.sync().commit == ""
    assert [record["id"] for record in lab.labels()["one"]] == [first, second]
    assert registry.remote_records(remote, {}, remote.state()).keys() == {first, second}
