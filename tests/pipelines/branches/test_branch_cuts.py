"""Branch, restore and drop cut off at any request: the same command again ends as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipelines.branches.create import branch
from pipelines.branches.drop import drop, loss
from pipelines.branches.restore import restore
from pipelines.import_.import_ import import_recordings
from pipelines.sync.sync import sync
from storage.errors import NotFoundError
from storage.label_studio.session import Session
from storage.project import Project
from storage.s3.bucket import Bucket
from tests.conftest import CONFIG, Lab, recording, result
from tests.pipelines.branches.test_branches import facts, labeled, moved


class CutOffError(BaseException):
    """The process is gone."""


@contextmanager
def cut(after: int) -> Iterator[Callable[[], int]]:
    """Let so many requests that may change something through, then end like a killed process."""
    count = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def send(self: Any, method: str, *args: Any, **kwargs: Any) -> Any:
            nonlocal count
            if method != "GET":
                count += 1
                if count > after:
                    raise CutOffError
            return real(self, method, *args, **kwargs)

        return send

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bucket, "_send", counted(Bucket._send))
        patch.setattr(Session, "request", counted(Session.request))
        yield lambda: count


def every(run: Callable[[], Any], step: int) -> int:
    """Cut a command off after 0, step, 2 step, ... requests and run it again each time, until it ends."""
    after = 0
    while True:
        with cut(after):
            try:
                run()
                return after
            except CutOffError:
                after += step


def test_a_branch_that_was_cut_off_is_gone_on_with(lab: Lab) -> None:
    labeled(lab)
    there = facts(lab.project.remote, lab.number)
    # Each time from the beginning, and cut one step later.
    for after in range(0, 40, 3):
        name = f"cut{after}"
        with cut(after) as requests:
            try:
                branch(Project(lab.project.root), name)
            except CutOffError:
                pass
            else:
                assert after > 10
                break
        assert requests() > after
        done = branch(Project(lab.project.root), name)
        assert (done.tasks, done.annotations, done.missing) == (3, 5, 0)
        studio = lab.project.studio
        assert len(studio.projects.find_by_description(lab.project.bucket.url(name))) == 1
        on = moved(lab, name)
        assert facts(on.project.remote, on.number) == there
        again = on.sync()
        assert (again.commit, again.pushed, again.healed) == ("", 0, 0)
        assert all(
            b"annotations" not in on.project.bucket.get(i.key)[0]
            for i in on.project.bucket.objects(f"{name}/tasks/")
        )
        moved(on, "main")
    else:
        pytest.fail("a branch of three series takes fewer requests")


def test_the_same_branch_cut_off_again_and_again(lab: Lab) -> None:
    labeled(lab)
    assert every(lambda: branch(Project(lab.project.root), "knocks"), 2) > 4
    on = moved(lab, "knocks")
    assert on.sync().commit == ""
    assert on.project.studio.projects.get(on.number)["task_number"] == 3
    moved(on, "main")

    def give_up() -> None:
        project = Project(lab.project.root)
        drop(project, loss(project, "knocks"))

    every(give_up, 1)
    with pytest.raises(NotFoundError):
        give_up()
    assert list(lab.project.bucket.objects("knocks/")) == []


def test_a_restore_cut_off_again_and_again_loses_nothing(lab: Lab) -> None:
    labeled(lab)
    lab.annotate("two", (0.2, 0.4, "walk"))  # in no label commit
    studio = lab.project.studio
    for target in studio.projects.storages(lab.number)[
        1
    ]:  # so that the objects stay, as when Label Studio is lost
        studio.session.call("DELETE", f"/api/storages/export/s3/{target['id']}")
    studio.projects.delete(lab.number)
    every(lambda: restore(Project(lab.project.root)), 3)
    found = lab.labels()
    assert [len(found[key]) for key in ("one", "three", "two")] == [3, 1, 2]
    again = sync(Project(lab.project.root))
    assert (again.commit, again.pushed, again.healed) == ("", 0, 0)
    state = Project(lab.project.root).remote.state()
    assert state is not None
    assert len(facts(lab.project.remote, state.project)) == 6


def test_sixty_series_of_an_annotator_who_has_left(empty: Project, tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number in range(60):
        (folder / f"år {number:02}+.csv").write_bytes(recording(rows=20, seed=number))
    (tmp_path / "config.xml").write_text(CONFIG, encoding="utf-8")
    import_recordings(empty, str(folder), config_file=tmp_path / "config.xml")
    state = empty.remote.state()
    assert state is not None
    lab = Lab(empty, state.project)
    for task in lab.tasks().values():
        empty.studio.annotate(task, result((0.0, 0.1, "walk")))
    lab.sync()
    shards = sorted((lab.project.root / "data/labels").iterdir())
    for shard in shards:  # whoever labeled it, this Label Studio has never heard of
        text = shard.read_text(encoding="utf-8").replace("admin@labeltrail.local", "left@example.com")
        shard.unlink()
        shard.write_text(text, encoding="utf-8")
    lab.project.repository.add("data/labels")
    lab.project.repository.git.commit(["data/labels.dvc"], "labels: somebody else's")
    done = branch(lab.project, "left")
    assert (done.tasks, done.annotations, done.strangers) == (60, 60, ("left@example.com",))
    on = moved(lab, "left")
    assert (on.sync().commit, on.sync().pushed) == ("", 0)
    assert {r["annotator"] for found in on.labels().values() for r in found} == {"left@example.com"}
