"""A project of an earlier version goes on in this one: `git merge`, and the few commands that doctor names."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from pipelines.demo import accelerometer
from storage import process, settings
from storage.label_studio import label_config
from storage.settings import Settings
from tests.conftest import CHECKOUT, server_settings

# The last commit before 0.2.0: flat folders, data/sets.csv, 40 figures in reports/evaluate.json.
BEFORE = "418a3367b34ad5ccc498b7f575daf380043055b6"


@pytest.fixture(scope="module")
def home(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was made, labeled, and trained by the earlier version, in two label commits."""
    home = tmp_path_factory.mktemp("upgrade")
    root = home / "clone"
    process.run(["git", "clone", "--quiet", "--no-hardlinks", CHECKOUT, root])
    process.run(["git", "checkout", "--quiet", "-B", "main", BEFORE], cwd=root)
    for name, value in (("user.name", "Tester"), ("user.email", "tester@example.com")):
        process.run(["git", "config", name, value], cwd=root)
    server_settings(root, settings, f"upgrade-{uuid4().hex[:12]}")
    text = (root / "params.yaml").read_text(encoding="utf-8")
    for name in ("epochs", "min_batches"):
        text = re.sub(rf"^  {name}: \d+$", f"  {name}: 2", text, flags=re.MULTILINE)
    (root / "params.yaml").write_text(text, encoding="utf-8")
    lay(home)
    run(root, "up")
    run(
        root,
        "import",
        str(home / "series"),
        "--labels",
        str(home / "first.json"),
        "--label-config",
        str(home / "c.xml"),
    )
    run(root, "sync")
    run(root, "import", str(home / "series"), "--labels", str(home / "tasks.json"))
    run(root, "sync")
    repro(root)
    process.run(["git", "add", "dvc.lock", "params.yaml"], cwd=root)
    process.run(["git", "commit", "--quiet", "-m", "model: first"], cwd=root)
    return home


def lay(home: Path) -> None:
    """Recordings of four people, and an export of their labels; in the first one nobody has labeled the last two."""
    tasks = []
    (home / "series").mkdir()
    for found in accelerometer.simulate(8, 4, seed=1):
        (home / "series" / f"{found.series}.csv").write_bytes(found.to_csv())
        annotations = [{"id": 1, "result": found.result(found.regions)}]
        tasks.append(
            {"data": {"csv": f"{found.series}.csv", "subject": found.subject}, "annotations": annotations}
        )
    (home / "tasks.json").write_text(json.dumps(tasks), encoding="utf-8")
    (home / "first.json").write_text(json.dumps(tasks[:-2]), encoding="utf-8")
    config = label_config.render(accelerometer.CHANNELS, accelerometer.LABELS, "time")
    (home / "c.xml").write_text(config, encoding="utf-8")


def run(root: Path, *words: str, refused: bool = False) -> str:
    """A command by the code that is checked out there."""
    try:
        return process.run(
            [sys.executable, "-m", "pipelines", *words], cwd=root, env=environment(), timeout=300
        )
    except process.ProgramError as error:
        if not refused:
            raise
        return f"{error.stdout}{error.stderr}"


def repro(root: Path) -> list[str]:
    """`dvc repro`; the stages that ran."""
    text = process.run(["dvc", "repro"], cwd=root, env=environment(), timeout=500)
    return re.findall(r"^Running stage '(\w+)'", text, re.MULTILINE)


def environment() -> dict[str, str]:
    return {**os.environ, **settings.stage_environment()}


def test_an_upgrade_by_git_merge(home: Path) -> None:
    root = home / "clone"
    before = json.loads(run(root, "log", "--json"))
    model = (root / "data/best/weights.safetensors").read_bytes()
    process.run(["git", "fetch", "--quiet", CHECKOUT, "HEAD"], cwd=root)
    process.run(["git", "merge", "--quiet", "--no-edit", "FETCH_HEAD"], cwd=root)

    assert "next: labeltrail git-setup" in run(root, "doctor", refused=True)
    run(root, "git-setup")
    assert "next: labeltrail sync" in run(root, "doctor", refused=True)
    assert "project: data/splits.csv, data/sets.csv" in run(root, "sync")
    assert "data/sets.csv" not in process.run(["git", "ls-files"], cwd=root)
    run(root, "doctor")

    after = json.loads(run(root, "log", "--json"))
    subjects = [commit["subject"] for commit in after["commits"]]
    assert subjects[-len(before["commits"]) :] == [commit["subject"] for commit in before["commits"]]
    for commit in before["commits"]:
        assert json.loads(run(root, "show", commit["commit"], "--json"))["commit"] == commit["commit"]
        run(root, "diff", commit["commit"])

    ran = repro(root)
    assert len(ran) == len(set(ran))
    assert repro(root) == []
    assert (root / "data/best/weights.safetensors").read_bytes() == model

    first = before["commits"][-1]["commit"]
    done = json.loads(run(root, "rollback", first, "--json"))
    assert done["labels"] == json.loads(run(root, "show", first, "--json"))["labels"]
    assert (root / "data/splits.csv").read_text(encoding="utf-8").startswith("series,group,split\n")
    assert not (root / "data/sets.csv").exists()
    run(root, "doctor")
