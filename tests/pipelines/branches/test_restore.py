"""Restore: an empty bucket and a new Label Studio get back what a label commit holds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from pipelines import services
from pipelines.branches.restore import restore
from pipelines.sync.sync import sync
from storage import process
from storage import settings as project_settings
from storage.errors import InputError, NotFoundError
from storage.labels import snapshot
from storage.project import Project
from storage.repo.git import Git
from storage.settings import LABEL_STUDIO, Settings
from tests.conftest import Lab, cloned
from tests.pipelines.branches.test_branches import facts, labeled


@pytest.fixture(scope="module")
def other(minio: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A second Label Studio, new, beside the same MinIO."""
    root = tmp_path_factory.mktemp("second")
    names = {
        "AWS_ENDPOINT_URL": minio.s3_endpoint,
        "AWS_ACCESS_KEY_ID": minio.access_key_id,
        "AWS_SECRET_ACCESS_KEY": minio.secret_access_key.get_secret_value(),
    }
    project_settings.write_env_file(root, names)
    services.up(root, only=[LABEL_STUDIO])
    yield project_settings.load(root)
    services.down(root)


def fresh_clone(lab: Lab, root: Path, studio: Settings) -> Project:
    """A second person's clone, at another Label Studio."""
    process.run(["git", "clone", "--quiet", lab.project.root, root])
    for name, value in (("user.name", "Second"), ("user.email", "second@example.com")):
        process.run(["git", "config", name, value], cwd=root)
    text = (lab.project.root / ".env").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("LABEL_STUDIO_")]
    (root / ".env").write_text("\n".join(lines) + "\n", encoding="utf-8")
    names = {
        "LABEL_STUDIO_URL": studio.label_studio_url,
        "LABEL_STUDIO_API_KEY": studio.label_studio_api_key.get_secret_value(),
    }
    project_settings.write_env_file(root, names)
    return Project(root)


def empty_bucket(lab: Lab) -> None:
    """All but the DVC remote goes."""
    keys = [item.key for item in lab.project.bucket.objects("") if not item.key.startswith("dvc/")]
    lab.project.bucket.delete(keys)


def test_everything_comes_back_from_git_and_dvc(lab: Lab, other: Settings, tmp_path: Path) -> None:
    labeled(lab)
    said = [fact[:-1] for fact in facts(lab.project.remote, lab.number)]
    recordings = {item.key: item.etag for item in lab.project.bucket.objects("series/")}
    empty_bucket(lab)
    project = fresh_clone(lab, tmp_path / "second", other)

    done = restore(project)

    assert (done.anew, done.tasks, done.annotations, done.salvaged) == (True, 3, 5, "")
    assert {item.key: item.etag for item in project.bucket.objects("series/")} == recordings
    assert snapshot.read(project.root / "data/labels") == lab.labels()
    assert len(list(project.bucket.objects("main/annotations/"))) == 5
    state = project.remote.state()
    assert state is not None
    assert [fact[:-1] for fact in facts(Project(project.root).remote, state.project)] == said
    again = sync(Project(project.root))
    assert (again.commit, again.pushed, again.healed) == ("", 0, 0)
    assert project.repository.git.head() == lab.project.repository.git.head()


def test_only_label_studio_is_new_and_the_bucket_has_more(lab: Lab, other: Settings, tmp_path: Path) -> None:
    labeled(lab)
    lab.annotate("two", (0.2, 0.4, "walk"))  # in the bucket, in no label commit
    odd = b'{"id": 1, "what": "nobody knows"}'
    etag = lab.project.bucket.put("main/annotations/1.bak", odd)
    project = fresh_clone(lab, tmp_path / "second", other)
    with pytest.raises(NotFoundError) as refused:
        sync(project)
    assert refused.value.cure.startswith("labeltrail restore")

    done = restore(project)

    assert done.salvaged
    assert done.annotations == 6
    assert done.aside == (f"main/set-aside/1.bak.{etag[:12]}",)
    assert project.bucket.get(done.aside[0])[0] == odd
    found = snapshot.read(project.root / "data/labels")
    assert [r["result"][0]["value"]["start"] for r in found["two"] if r["result"]] == [0.2]
    assert len(list(project.bucket.objects("main/annotations/"))) == 6
    assert sync(Project(project.root)).commit == ""
    assert restore(Project(project.root)).anew is False


def test_a_restore_that_was_cut_off_before_its_commit_goes_on(
    lab: Lab, other: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labeled(lab)
    lab.annotate("two", (0.2, 0.4, "walk"))  # in the bucket, in no label commit
    project = fresh_clone(lab, tmp_path / "second", other)
    with monkeypatch.context() as cut:
        cut.setattr(Git, "commit", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            restore(project)

    done = restore(Project(project.root))

    assert (done.kept, done.salvaged) == ("labels: +1 in 1 series", "")
    assert len(list(project.bucket.objects("main/annotations/"))) == done.annotations == 6
    assert sync(Project(project.root)).commit == ""


def test_a_file_that_is_gone_is_named_and_nothing_is_restored(lab: Lab) -> None:
    labeled(lab)
    (lab.project.root / "data/labels.dvc").unlink()
    with pytest.raises(InputError) as refused:
        restore(Project(lab.project.root))
    assert refused.value.cure == "git checkout HEAD -- data/labels.dvc"


def test_an_older_label_commit_is_brought_back(lab: Lab, other: Settings, tmp_path: Path) -> None:
    labeled(lab)
    then, labels = lab.project.repository.git.head(), lab.labels()
    lab.annotate("two", (0.2, 0.4, "walk"))
    lab.sync()
    empty_bucket(lab)
    project = fresh_clone(lab, tmp_path / "second", other)
    done = restore(project, then)
    assert done.annotations == 5
    assert snapshot.read(project.root / "data/labels") == labels
    assert project.repository.git.run("log", "-1", "--format=%s").startswith(f"labels: back to {then[:12]}")
    assert sync(Project(project.root)).commit == ""


def test_an_empty_history_gets_everything_from_bucket_and_label_studio(lab: Lab, tmp_path: Path) -> None:
    labeled(lab)
    root = tmp_path / "bare"
    cloned(root)
    for name, value in (("user.name", "Second"), ("user.email", "second@example.com")):
        process.run(["git", "config", name, value], cwd=root)
    shutil.copy(lab.project.root / ".env", root / ".env")
    done = restore(Project(root))
    assert not done.anew
    assert snapshot.read(root / "data/labels") == lab.labels()
    assert sync(Project(root)).commit == ""
