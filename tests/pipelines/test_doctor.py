"""Doctor on real servers: all is well after a sync, and each thing that is wrong has its cure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from pipelines.doctor import Check, examine
from pipelines.import_.import_ import import_recordings
from storage.project import Project
from storage.repo import git_hooks
from storage.settings import Settings, write_env_file
from tests.conftest import Lab, clone, imported
from tests.support.project_copies import copied


def checks(lab: Lab) -> dict[str, Check]:
    return {check.name: check for check in examine(Project(lab.project.root))}


@pytest.fixture(scope="module")
def first(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A project with a label commit, where everything agrees."""
    home = tmp_path_factory.mktemp("doctor")
    made = imported(clone(home / "clone", settings, f"lab-{uuid4().hex[:12]}"), home)
    made.annotate("one", (0.1, 0.5, "walk"))
    made.sync()
    return made


@pytest.fixture
def well(first: Lab, tmp_path: Path) -> Iterator[Lab]:
    """The same in a folder of its own, to be harmed; what was done to the servers is put right again."""
    studio = first.project.studio
    config = str(studio.projects.get(first.number)["label_config"])
    with copied(first, tmp_path / "clone") as lab:
        yield lab
    studio.projects.update(first.number, label_config=config)


def test_all_is_well_after_a_sync(well: Lab) -> None:
    found = checks(well)
    assert {name: check.passed for name, check in found.items()} == dict.fromkeys(found, True)
    assert found["bucket"].detail.endswith("put, get, list, conditional put, signed address, delete")
    assert not [o.key for o in well.project.bucket.objects("labeltrail-")], "nothing is left of the tries"


def wrong_secret(lab: Lab) -> None:
    write_env_file(lab.project.root, {"AWS_SECRET_ACCESS_KEY": "wrong"})


def wrong_token(lab: Lab) -> None:
    write_env_file(lab.project.root, {"LABEL_STUDIO_API_KEY": "0" * 40})


def with_path(lab: Lab) -> None:
    write_env_file(lab.project.root, {"AWS_ENDPOINT_URL": f"{lab.project.settings.s3_endpoint}/team"})


def studio_with_path(lab: Lab) -> None:
    write_env_file(lab.project.root, {"LABEL_STUDIO_URL": f"{lab.project.settings.label_studio_url}/team"})


def another_program(lab: Lab) -> None:
    write_env_file(lab.project.root, {"LABEL_STUDIO_URL": lab.project.settings.s3_endpoint})


def other_bucket(lab: Lab) -> None:
    write_env_file(lab.project.root, {"AWS_ENDPOINT_URL": lab.project.settings.label_studio_url})


def old_hook(lab: Lab) -> None:
    path = lab.project.root / ".git/hooks/post-merge"
    path.write_text(f"#!/bin/sh\n{git_hooks.SIGN}\nexec dvc checkout\n", encoding="utf-8")


def stray_module(lab: Lab) -> None:
    (lab.project.root / "numpy.py").write_text("", encoding="utf-8")


def other_label(lab: Lab) -> None:
    [shard] = (lab.project.root / "data/labels").glob("*.jsonl")
    shard.write_bytes(shard.read_bytes().replace(b"walk", b"runn"))


def no_server(lab: Lab) -> None:
    write_env_file(lab.project.root, {"LABEL_STUDIO_URL": "http://127.0.0.1:9"})


def no_setting(lab: Lab) -> None:
    write_env_file(lab.project.root, {"LABEL_STUDIO_API_KEY": ""})


def no_target(lab: Lab) -> None:
    _, [target] = lab.project.studio.projects.storages(lab.number)
    lab.project.studio.session.call("DELETE", f"/api/storages/export/s3/{target['id']}")


def other_config(lab: Lab) -> None:
    text = str(lab.project.studio.projects.get(lab.number)["label_config"])
    lab.project.studio.projects.update(lab.number, label_config=text.replace('"run"', '"rush"'))


def other_columns(lab: Lab) -> None:
    path = lab.project.root / "data/label_config.xml"
    path.write_text(path.read_text(encoding="utf-8").replace("acc_y", "gyro_y"), encoding="utf-8")


def broken_config(lab: Lab) -> None:
    (lab.project.root / "data/label_config.xml").write_text("<View>", encoding="utf-8")


def uncommitted(lab: Lab) -> None:
    (lab.project.root / "data/labels.dvc").write_text("outs: [{md5: x.dir, path: labels}]", encoding="utf-8")


def unpushed(lab: Lab) -> None:
    lab.project.bucket.delete(o.key for o in lab.project.bucket.objects("dvc/"))


def lost_object(lab: Lab) -> None:
    for path in (lab.project.root / ".dvc/cache/files/md5").rglob("*"):
        if path.is_file():
            path.unlink()
    lab.project.bucket.delete(o.key for o in lab.project.bucket.objects("dvc/"))


@pytest.mark.parametrize(
    ("harm", "name", "words", "cure"),
    [
        (
            wrong_secret,
            "bucket",
            "AWS_SECRET_ACCESS_KEY is wrong",
            "mend AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY where the address is set",
        ),
        (
            with_path,
            "settings",
            "there is a path in it: name the server alone",
            "set them where the address is set",
        ),
        (
            wrong_token,
            "Label Studio",
            "refused the token",
            "mend LABEL_STUDIO_API_KEY where the address is set (.env or the environment)",
        ),
        (
            no_server,
            "Label Studio",
            "does not answer",
            "labeltrail up (or check LABEL_STUDIO_URL), then the same command again",
        ),
        (studio_with_path, "Label Studio", "HTTP 404", "fix LABEL_STUDIO_URL where it is set"),
        (another_program, "Label Studio", "", "fix LABEL_STUDIO_URL where it is set"),
        (
            other_bucket,
            "bucket",
            "",
            "fix AWS_ENDPOINT_URL, AWS_REGION or LABELTRAIL_BUCKET where they are set",
        ),
        (old_hook, "git", "git starts programs of an earlier Labeltrail", "labeltrail git-setup"),
        (stray_module, "work tree", "numpy.py", "look at them; rm -r numpy.py"),
        (other_label, "work tree", "does not hold the labels that data/labels.dvc names", "labeltrail sync"),
        (no_setting, "settings", "LABEL_STUDIO_API_KEY", "set them where the address is set"),
        (no_target, "storages", "the project has no target storage", "labeltrail import data/series"),
        (other_config, "same config", "not the one in Label Studio", "labeltrail sync"),
        (other_columns, "recordings", "channel 'gyro_y' is missing", "add the column"),
        (broken_config, "label config", "not XML", "mend the label config"),
        (uncommitted, "git", "label changes are not committed", "labeltrail sync"),
        (unpushed, "history", "of label commit", "dvc push --all-commits"),
        (lost_object, "DVC", "neither in the DVC cache nor in its remote", "dvc fetch --all-commits"),
    ],
)
def test_what_is_wrong_is_named_with_its_cure(
    first: Lab, well: Lab, harm: Callable[[Lab], None], name: str, words: str, cure: str
) -> None:
    harm(well)
    found = checks(well)
    assert found[name].passed is False, {n: c.lines() for n, c in found.items()}
    assert words in found[name].detail
    assert found[name].cure.startswith(cure)
    assert not [c for c in found.values() if c.cure.startswith("labeltrail doctor")], "that is where one is"
    if harm is no_target:
        import_recordings(Project(well.project.root), str(well.project.root / "data/series"))
        assert checks(well)[name].passed
    secrets = (first.project.settings.secret_access_key, first.project.settings.label_studio_api_key)
    text = "\n".join(line for check in found.values() for line in check.lines())
    assert not [s for s in secrets if s.get_secret_value() in text]


def test_a_bucket_that_is_away_leaves_out_only_what_rests_on_it(well: Lab) -> None:
    write_env_file(well.project.root, {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    found = {name: check.passed for name, check in checks(well).items()}
    assert found == {
        "settings": True,
        "bucket": False,
        "Label Studio": True,
        "label config": True,
        "storages": None,
        "same config": None,
        "recordings": True,
        "git": True,
        "work tree": True,
        "DVC": None,
        "labels": None,
        "history": None,
        "sync": None,
    }
    assert Path(well.project.root / "data/labels").is_dir()
