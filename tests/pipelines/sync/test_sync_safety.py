"""What a sync or an import must never do: delete or undo what nobody meant to, or stop for what is not its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.import_.import_ import import_recordings
from storage.errors import InputError, NotFoundError
from tests.conftest import CONFIG, Lab, result


def test_a_rollback_can_be_undone(lab: Lab) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    before = lab.sync()
    lab.annotate("two", (0.2, 0.4, "run"))
    after = lab.sync()
    git = lab.project.repository.git.run
    git("checkout", before.commit, "--", "data/labels.dvc")
    assert lab.sync().labels == before.labels
    git("checkout", after.commit, "--", "data/labels.dvc")
    again = lab.sync()
    assert (again.labels, again.pushed) == (after.labels, 1)
    assert list(lab.labels()) == ["one", "two"]


def test_a_file_that_is_gone_deletes_nothing(lab: Lab) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    head = lab.sync().commit
    for name in ("data/labels.dvc", "data/series.dvc", "data/splits.csv", "data/tasks.jsonl"):
        (lab.project.root / name).unlink()
        with pytest.raises(InputError) as caught:
            lab.sync()
        assert (caught.value.what, caught.value.cure) == (
            f"{name} of the last commit is gone",
            f"git checkout HEAD -- {name}",
        )
        assert len(list(lab.project.studio.annotations(lab.tasks()["one"]))) == 1
        lab.project.repository.git.run("checkout", "HEAD", "--", name)
        assert (lab.sync().commit, lab.project.repository.git.head()) == ("", head)


def test_a_task_made_by_hand_does_not_stop_a_sync(lab: Lab) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    data = [{"data": {"csv": "https://example.com/elsewhere.csv"}}]
    lab.project.studio.session.call("POST", f"/api/projects/{lab.number}/import", json=data)
    (strange,) = (task for task in lab.project.studio.tasks(lab.number) if "series" not in task.data)
    made = lab.project.studio.annotate(strange.id, result((0.1, 0.5, "walk")))
    done = lab.sync()
    key = f"{lab.project.remote.annotations_prefix}{made}"
    assert done.aside == [(key, "its task shows no recording of this bucket")]
    assert list(lab.labels()) == ["one"]
    assert lab.sync().commit == ""


def test_a_staged_file_that_ends_as_it_was_makes_no_commit(lab: Lab) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    head = lab.sync().commit
    path = lab.project.root / "data/splits.csv"
    kept = path.read_text(encoding="utf-8")
    path.write_text(kept.replace("two,two,unassigned\n", ""), encoding="utf-8")
    lab.project.repository.git.run("add", "data/splits.csv")
    assert lab.sync().commit == ""
    assert path.read_text(encoding="utf-8") == kept
    assert (lab.project.repository.git.head(), lab.project.repository.git.run("status", "--porcelain")) == (
        head,
        "",
    )


def test_an_import_does_not_undo_a_label_config_that_was_changed_in_label_studio(
    lab: Lab, tmp_path: Path
) -> None:
    lab.sync()
    held = lab.project.studio.projects.get(lab.number)["label_config"]
    lab.project.studio.projects.update(lab.number, label_config=held.replace('"run"', '"sprint"'))
    import_recordings(lab.project, str(tmp_path / "recordings"))
    assert 'value="sprint"' in lab.project.studio.projects.get(lab.number)["label_config"]
    lab.sync()
    assert 'value="sprint"' in (lab.project.root / "data/label_config.xml").read_text(encoding="utf-8")


def test_a_project_of_somebody_else_under_the_same_number_deletes_nothing(lab: Lab) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    head = lab.sync().commit
    other = lab.project.studio.projects.create("Somebody else's", "", CONFIG)
    remote, state = lab.project.remote, lab.project.remote.state()
    assert state is not None
    moved = remote.write_state(replace(state, project=other))
    with pytest.raises(NotFoundError, match=f"project {other} in Label Studio is not this branch's"):
        lab.sync()
    assert len(list(lab.project.bucket.objects(remote.annotations_prefix))) == 1
    remote.write_state(replace(moved, project=lab.number))
    assert (lab.sync().commit, lab.project.repository.git.head()) == ("", head)
