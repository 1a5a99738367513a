"""Sync with faults: overtaken, cut off at any step, servers away; it ends right, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines import sync as syncing
from storage import outgoing, snapshot
from storage.errors import ServiceError
from storage.project import Project
from storage.settings import write_env_file
from tests.conftest import Lab


def test_a_sync_that_was_overtaken_starts_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    real, calls = syncing._bring_together, []

    def overtaken(project: Project, state: Any, theirs: Any) -> syncing.Synced:
        calls.append(state.etag)
        if len(calls) == 1:  # somebody else writes sync.json between our reading and our writing
            data, _ = project.bucket.get(project.remote.state_key)
            project.bucket.put(project.remote.state_key, data + b" ")
        return real(project, state, theirs)

    monkeypatch.setattr(syncing, "_bring_together", overtaken)
    lab.sync()
    assert len(calls) == 2
    assert list(lab.labels()) == ["one"]
    assert lab.sync().commit == ""


STEPS = [
    "snapshot.write",
    "Repository.add",
    "Repository.commit",
    "Repository.push",
    "outgoing.push",
    "write_state",
]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True])
def test_a_sync_that_was_cut_off_anywhere_ends_in_the_same_place(
    lab: Lab, step: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    lab.annotate("two", (0.2, 0.4, "run"))

    class CutOffError(Exception):
        pass

    owners = {
        "snapshot.write": (snapshot, "write"),
        "outgoing.push": (outgoing, "push"),
        "write_state": (type(lab.project.remote), "write_state"),
    }
    owner, name = owners.get(step) or (type(lab.project.repository), step.partition(".")[2])
    real = getattr(owner, name)

    def cut(*args: Any, **kwargs: Any) -> None:
        if after:
            real(*args, **kwargs)
        raise CutOffError

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, cut)
        with pytest.raises(CutOffError):
            lab.sync()
    lab.sync()
    assert {series: len(records) for series, records in lab.labels().items()} == {"one": 1, "two": 1}
    assert lab.subjects() == ["labels: +2 in 2 series; series: +3"]
    assert lab.project.repository.git("status", "--porcelain") == ""
    assert lab.sync().commit == ""


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("AWS_ENDPOINT_URL", "the S3 server at http://127.0.0.1:9 does not answer"),
        ("LABEL_STUDIO_URL", "Label Studio at http://127.0.0.1:9 does not answer"),
    ],
)
def test_a_server_that_is_away_is_said_soon_and_nothing_is_written(lab: Lab, name: str, what: str) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    head = lab.project.repository.head()
    good = {
        "AWS_ENDPOINT_URL": lab.project.settings.s3_endpoint,
        "LABEL_STUDIO_URL": lab.project.settings.label_studio_url,
    }
    write_env_file(lab.project.root, {name: "http://127.0.0.1:9"})
    with pytest.raises(ServiceError) as caught:
        lab.sync()
    assert caught.value.what == what
    assert lab.project.repository.head() == head
    assert lab.project.repository.git("status", "--porcelain", "data/*.dvc") == ""
    write_env_file(lab.project.root, good)
    assert lab.sync().subject == "labels: +1 in 1 series; series: +3"
