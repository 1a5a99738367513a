"""The command line: what it prints, its exit codes, and that no secret is ever in either."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from storage import errors, process, settings
from storage.process import ProgramError
from tests.conftest import Lab


def labeltrail(root: Path, *arguments: str) -> str:
    """Run the command as a person would, in a project."""
    command = [str(Path(sys.executable).parent / "labeltrail"), *arguments]
    return process.run(command, cwd=root, env=settings.build_environment(), timeout=120)


def refused(root: Path, *arguments: str) -> tuple[int | None, str]:
    with pytest.raises(ProgramError) as caught:
        labeltrail(root, *arguments)
    return caught.value.returncode, caught.value.stderr


def test_exit_codes_are_distinct_and_fixed() -> None:
    kinds = [errors.InputError, errors.ServiceError, errors.ConflictError, errors.CheckError]
    kinds += [errors.NotFoundError, errors.SetupError]
    assert [kind.exit_code for kind in kinds] == [3, 4, 5, 6, 7, 8]


def test_outside_a_project(tmp_path: Path) -> None:
    assert refused(tmp_path, "sync") == (
        7,
        "this is not a Labeltrail project\n"
        f"  where: {tmp_path}\n"
        "  why: no git clone with a dvc.yaml here or above\n"
        "  next: cd into the clone\n",
    )


def test_a_folder_that_is_no_clone(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: {}", encoding="utf-8")
    code, text = refused(tmp_path, "sync")
    assert (code, text.splitlines()[0]) == (7, "this is not a Labeltrail project")


def test_the_loop_in_words_and_in_json(lab: Lab) -> None:
    root = lab.project.root
    lab.annotate("one", (0.1, 0.5, "walk"))
    words = labeltrail(root, "sync").splitlines()
    assert words[0].startswith("label commit ")
    assert words[0].endswith("labels: +1 in 1 series; series: +3")
    assert words[-1] == "next: dvc repro"
    value = json.loads(labeltrail(root, "sync", "--json"))
    assert (value["version"], value["commit"], value["aside"]) == (1, "", [])
    value = json.loads(labeltrail(root, "trace", "HEAD", "--json"))
    assert (value["kind"], value["models"]) == ("label commit", [])
    value = json.loads(labeltrail(root, "status", "--json"))
    assert {s["name"]: s["state"] for s in value["servers"]} == {
        "minio": "running",
        "label-studio": "running",
    }
    assert value["project"]["best model"] == "none yet (dvc repro)"
    value = json.loads(labeltrail(root, "doctor", "--json"))
    assert all(check["passed"] for check in value["checks"])


def test_no_output_holds_a_secret(lab: Lab) -> None:
    root = lab.project.root
    lab.sync()
    texts = [labeltrail(root, *words.split()) for words in ("status", "doctor --json", "sync")]
    settings.write_env_file(root, {"LABEL_STUDIO_API_KEY": "f" * 40})
    texts += [refused(root, *words.split())[1] for words in ("sync", "doctor", "import data/series")]
    found = lab.project.settings
    for secret in (found.secret_access_key, found.label_studio_api_key):
        assert not [text for text in texts if secret.get_secret_value() in text]
    assert "f" * 40 not in "".join(texts)
    tracked = lab.project.repository.git.run("log", "-p", "--all", "--", ".")
    assert found.secret_access_key.get_secret_value() not in tracked


def test_nothing_is_called_that(lab: Lab) -> None:
    lab.sync()
    code, text = refused(lab.project.root, "trace", "no-such-thing")
    assert (code, text.splitlines()[0]) == (7, "nothing here is called 'no-such-thing'")
