"""Garbage collection on real servers: models that nothing names go, labels never do."""

from __future__ import annotations

import json

import pytest
import yaml

from pipelines.gc import gc
from pipelines.rollback.rollback import rollback
from storage.errors import NotFoundError
from storage.labels.references import pointer_hashes
from storage.paths import LABELS, SERIES
from storage.project import Project
from storage.repo.pointer import parse_pointer
from storage.repo.repository import Repository
from storage.s3.keys import OBJECT
from tests.conftest import Lab, clone


def model(project: Project, name: str) -> str:
    """A `dvc.lock` that names a best model, committed and pushed; returns the model's hash."""
    repository = Repository(project.root)
    facts = {"version": 1, "model": name, "labels": "", "series": "", "params": {}, "annotations": {}}
    files = {
        "model.json": json.dumps({"kind": "lstm", "name": name}).encode(),
        "provenance.json": json.dumps(facts).encode(),
        "weights.safetensors": name.encode() * 3000,
    }
    md5 = repository.cache.store(files)
    size = sum(len(data) for data in files.values())
    out = {"path": "data/best", "hash": "md5", "md5": md5, "size": size, "nfiles": len(files)}
    lock = {"schema": "2.0", "stages": {"promote": {"cmd": "python -m stages.promote", "outs": [out]}}}
    (project.root / "dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")
    repository.git.commit(["dvc.lock"], f"model: {name}\n")
    repository.push()
    return md5


def remote(project: Project) -> set[str]:
    """Hashes of all objects in the DVC remote."""
    prefix = "dvc/files/md5/"
    return {o.key.removeprefix(prefix).replace("/", "") for o in project.bucket.objects(prefix)}


def everything(project: Project, *listings: str) -> set[str]:
    return {*listings, *(md5 for found in listings for md5 in project.repository.folder(found).values())}


@pytest.fixture
def old(lab: Lab) -> tuple[Lab, list[str], list[str]]:
    """Three label commits and three models, of which the first is tagged and the last is the branch's."""
    labels, models = [], []
    for number, series in enumerate(("one", "two", "three")):
        lab.annotate(series, (0.1, 0.5, "walk"))
        labels.append(lab.sync().commit)
        models.append(model(lab.project, f"m{number}"))
        if number == 0:
            lab.project.repository.git.run("tag", "first")
    lab.project = Project(lab.project.root)
    return lab, labels, models


def test_a_model_that_nothing_names_goes_and_everything_else_stays(
    old: tuple[Lab, list[str], list[str]],
) -> None:
    lab, labels, models = old
    project = lab.project
    goes = everything(project, models[1])
    before = (project.repository.cache.sizes().keys(), remote(project))
    told = gc(project, hours=0)
    assert (told.local.sizes.keys(), told.remote.sizes.keys()) == (goes, goes)
    assert sum(told.remote.sizes.values()) == sum(project.repository.cache.sizes()[md5] for md5 in goes)
    assert (project.repository.cache.sizes().keys(), remote(project)) == before, (
        "nothing is deleted without --yes"
    )
    assert [len(told.models), told.labels, told.missing] == [1, 3, []]
    assert "would go: 4 objects, 6.3 KB" in "\n".join(told.lines())

    done = gc(project, yes=True, hours=0)
    assert done.deleted
    assert (project.repository.cache.sizes().keys(), remote(project)) == (before[0] - goes, before[1] - goes)
    again = gc(Project(project.root), hours=0)
    assert (again.local.sizes, again.remote.sizes) == ({}, {})
    for commit in labels:
        rollback(Project(project.root), commit)
        assert project.repository.git.labels_at("HEAD") == project.repository.git.labels_at(commit)
    assert model(project, "m1") == models[1]
    assert goes <= remote(project), "what comes back is pushed again"


def test_a_commit_in_sync_json_is_taken_for_no_hash(
    old: tuple[Lab, list[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, _, _ = old
    asked: list[str] = []
    has = Repository.has
    monkeypatch.setattr(Repository, "has", lambda self, md5: asked.append(md5) or has(self, md5))
    gc(lab.project)
    state = lab.project.remote.state()
    assert state is not None
    assert state.labels in asked
    assert state.commit
    assert [md5 for md5 in asked if not OBJECT.fullmatch(md5)] == []


def test_what_was_pushed_nowhere_or_just_now_stays(old: tuple[Lab, list[str], list[str]]) -> None:
    lab, _, models = old
    repository = lab.project.repository
    lonely = everything(lab.project, repository.cache.store({"notes.txt": b"in no commit yet"}))
    found = gc(lab.project, yes=True)
    assert found.unpushed.sizes.keys() == lonely
    assert lonely <= repository.cache.sizes().keys()
    assert found.remote.sizes == {}
    assert found.young.sizes.keys() == everything(lab.project, models[1]), "all of it was written just now"


def test_labels_of_a_clone_that_nobody_knows_stay_in_the_remote(
    old: tuple[Lab, list[str], list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    lab, _, _ = old
    other = clone(tmp_path_factory.mktemp("other") / "clone", lab.project.settings, lab.project.bucket.name)
    md5 = other.repository.cache.store({"3f.jsonl": b'{"id":"1-a"}\n'})
    other.repository.write_pointer("data/labels", md5)
    other.repository.push()
    foreign = everything(other, md5)
    found = gc(lab.project, yes=True, hours=0)
    assert found.foreign.sizes.keys() == foreign
    assert foreign <= remote(lab.project)


def test_a_lost_shard_is_named_with_commit_and_series(old: tuple[Lab, list[str], list[str]]) -> None:
    lab, labels, _ = old
    repository = lab.project.repository
    shards = repository.folder(repository.git.labels_at(labels[0]))
    later = repository.folder(repository.git.labels_at(labels[2]))
    [(name, md5)] = shards.items()
    assert later[name] == md5
    repository.cache.forget([md5])
    lab.project.bucket.delete([f"dvc/files/md5/{md5[:2]}/{md5[2:]}"])
    place = f"data/labels/{name} of label commit {labels[2][:12]}, with the labels of one"
    with pytest.raises(NotFoundError) as caught:
        Project(lab.project.root).repository.read([md5])
    assert caught.value.where == f"remote 'bucket': files/md5/{md5[:2]}/{md5[2:]} ({place})"
    assert gc(Project(lab.project.root)).missing == [place]


def test_every_pointer_of_the_history_is_read(old: tuple[Lab, list[str], list[str]]) -> None:
    repository, labels = old[0].project.repository, old[1]
    wanted = {
        parse_pointer(repository.git.show(commit, f"{path}.dvc"))
        for commit in labels
        for path in (LABELS, SERIES)
    }
    assert len(wanted) == 4, "three label snapshots and one folder of recordings"
    assert pointer_hashes(repository.git) == wanted
