"""A project in which everything that people name is hostile, through every command and both pages.

Labels, keys, people, task data and objects with terminal escapes, line ends, separators, quotes, `$(..)`, scripts,
marks of direction, halves of characters: nothing of it moves a cursor, forges a line, runs, or ends in a traceback.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from pipelines.__main__ import main
from pipelines.cli.reference import help_texts
from storage import printable, process
from storage import settings as project_settings
from storage.label_studio import label_config
from storage.project import Project
from storage.settings import Settings
from tests.conftest import clone, recording
from tests.pipelines.test_loop import small
from tests.support.everywhere import Everywhere
from tests.support.label_studio_page import open_page

FORGED = "FORGED"
OWNED = "owned-by-a-name"
RAN = OWNED.replace("-", "_")
SCRIPT = f"<img src=x onerror=window.{RAN}=1>"
SHELL = f"$(touch {OWNED})`touch {OWNED}`'\";touch {OWNED}"
LABELS = (
    "walk", SCRIPT, SHELL, f"next\u2028{FORGED}", "\u202eklaw\u2066", "a|b,c;d", "=cmd|' /C calc'!A0",
    "🏃\U000e0041\ufeff", "e\u0301", "\xe9", "%s %(x)s {x}", "[bold]x[/bold]",
)  # fmt: skip
# An XML attribute cannot hold these; an annotation can.
STRAY = f"\x1b[2J\x1b]0;{FORGED}\x07\n{FORGED}: +9\r\x9b31m\x85\x1e"
KEYS = (SCRIPT, f"{SHELL} ", f"a|b, c;d='\u2028{FORGED}", "sub/\u202eklaw\u2066 %s 🏃\U000e0041", "plain")
PERSON = f"ann\x1b[31m\u202e\n{FORGED} {SCRIPT}@example.com"
BRANCH = f"$(touch${{IFS}}{OWNED})`id`'\"|;é<b>"
AUTHOR = "Ann\x1b[2J\u202e\x9b " + SHELL


@dataclass
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


def call(root: Path, *words: str) -> Said:
    """Run a command in this process, for thirty starts would take a minute."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(root)
        patch.setattr(sys, "argv", ["labeltrail", *words])
        with pytest.raises(SystemExit) as left:
            main()
    return Said(int(left.value.code or 0), out.getvalue(), err.getvalue())


def checked(root: Path, *words: str, code: int | None = 0) -> Said:
    """The same, and look at each line: a traceback has no `SystemExit` and is raised here as it is."""
    said = call(root, *words)
    assert code in (None, said.code), (words, said)
    for text in (said.out, said.err):
        assert not printable.UNSAFE.search(text.replace("\n", "")), (words, text)
        assert not [line for line in text.split("\n") if line.lstrip(" '\"-").startswith(FORGED)], (
            words,
            text,
        )
    if "--json" in words:
        assert json.loads(said.out)["version"] == 1, words
    assert not list(root.rglob(f"*{OWNED}")), words
    return said


def results(labels: tuple[str, ...], offset: float = 0) -> list[dict[str, object]]:
    """A region of each label, side by side; ids are hostile too."""
    return [
        {
            "id": f"r{number}\x1b|{FORGED}", "from_name": "label", "to_name": "ts", "type": "timeserieslabels",
            "value": {"start": start, "end": start + 0.1, "instant": False, "timeserieslabels": [label]},
        }
        for number, label in enumerate(labels)
        for start in [round(offset + number * 0.15, 2)]
    ]  # fmt: skip


@pytest.fixture(scope="module")
def project(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """All of it imported; what Label Studio itself does not store lies in the bucket."""
    home = tmp_path_factory.mktemp("hostile")
    project = clone(home / "clone", settings, f"lab-{uuid4().hex[:12]}")
    small(project.root)
    process.run(["git", "config", "user.name", AUTHOR], cwd=project.root)
    tasks = []
    for number, key in enumerate(KEYS):
        path = home / "series" / f"{key}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(recording(seed=number))
        data = {"csv": f"/data/{key}.csv", "subject": f"{PERSON}{number}", f"note\x1b{SCRIPT}": STRAY}
        annotations = [{"id": 1, "result": results(LABELS)}] if number < len(KEYS) - 1 else []
        tasks.append({"id": number, "data": data, "annotations": annotations})
    (home / "export.json").write_text(json.dumps(tasks), encoding="utf-8")
    config = label_config.render(("acc_x", "acc_y"), LABELS, "time")
    (home / "config.xml").write_text(config, encoding="utf-8")
    words = (
        str(home / "series"),
        "--labels",
        str(home / "export.json"),
        "--label-config",
        str(home / "config.xml"),
    )
    checked(project.root, "import", *words)
    checked(project.root, "import", *words, "--json")
    return Project(project.root)


def put_stray_objects(project: Project) -> None:
    """A person and labels as only an object can hold them, and objects that are set aside."""
    remote, bucket = project.remote, project.bucket
    series = {row.key: row.value["record"]["series"] for row in remote.annotations.rows() if row.value}
    key = next(key for key in series if series[key] == KEYS[0])
    value = json.loads(bucket.get(key)[0])
    value |= {"completed_by": {"email": PERSON}, "result": results((STRAY, "half \ud83d", "nul\0nul"), 0.05)}
    bucket.put(key, json.dumps(value).encode())
    bucket.put(f"{remote.annotations_prefix}9\n{FORGED}\x1b[2J", b"{}")
    bucket.put(f"{remote.annotations_prefix}99", json.dumps({STRAY: STRAY}).encode())
    bucket.put(f"series/odd\n{FORGED}\x1b[2J.csv", recording())
    bucket.put(f"{remote.tasks_prefix}odd\n{FORGED}.json", json.dumps({"data": STRAY}).encode())


TOLD = (
    ["status"], ["fsck"], ["branches"], ["log"], ["log", "--label", STRAY], ["log", "--label", SCRIPT], ["show"],
    ["show", "HEAD~1"], ["diff", "HEAD~2", "HEAD"], ["diff", "HEAD~2", "HEAD", "--stat"], ["tag"], ["trace", KEYS[0]],
    ["trace", KEYS[3]], ["rollback", "HEAD~2", "--dry-run"], ["undo", "--dry-run"],
)  # fmt: skip
REFUSED = (
    ["trace", STRAY], ["trace", "9" * 5000], ["diff", STRAY], ["show", STRAY], ["log", STRAY], ["tag", STRAY],
    ["branch", STRAY],
    ["switch", STRAY], ["drop", STRAY], ["merge", STRAY], ["rollback", STRAY], ["restore", STRAY],
    ["start-from", STRAY], ["start-from", "best"],
    ["sync", "--settle", f"{STRAY}=x"], ["import", STRAY], ["classify", "train", STRAY, "--model", "x"],
    ["classify", "predict", STRAY, STRAY, "--output", "x"], ["classify", "tune", STRAY],
    ["classify", "trial", "1", STRAY],
)  # fmt: skip
COVERED: set[str] = set()


def test_every_command(project: Project) -> None:
    root = project.root
    checked(root, "sync", "--json")
    put_stray_objects(project)

    def run(*words: str, code: int | None = 0) -> Said:
        COVERED.add(words[0])
        return checked(root, *words, code=code)

    for words in (["sync", "--dry-run"], ["sync", "--dry-run", "--json"]):
        with Everywhere(project).stays():
            run(*words)
    assert len(json.loads(run("sync", "--json").out)["aside"]) >= 3
    process.run(["dvc", "repro"], cwd=root, env=project_settings.stage_environment(), timeout=300)
    run("sync")
    models = json.loads(run("trace", "HEAD", "--json").out)["models"]
    assert models
    for words in TOLD:
        run(*words)
        run(*words, "--json")
    for words in (["tag", "kept"], ["git-setup"], ["start-from", "--none"]):
        run(*words)
    for words in (["up"], ["doctor"], ["gc", "--dry-run"], ["gc", "--dry-run", "--json"]):
        run(*words, code=None)  # as the machine and its servers are
    for words in REFUSED:
        for more in ((), ("--json",)):
            assert run(*words, *more, code=None).code, words
    on_two_branches(root, run)
    called = {name.split()[1] for name, _ in help_texts() if " " in name}
    assert called - COVERED == {"demo", "down"}, "a command that this test does not know"


def edit(root: Path, labels: tuple[str, ...]) -> None:
    """Change the annotation of the first recording in the branch that is checked out, and sync."""
    project = Project(root)
    state = project.remote.state()
    assert state is not None
    task = next(task for task in project.studio.tasks(state.project) if task.data["series"] == KEYS[0])
    number = project.studio.annotations(task.id)[0]["id"]
    project.studio.update_annotation(number, result=results(labels))
    checked(root, "sync")


def on_two_branches(root: Path, run: Callable[..., Said]) -> None:
    """A branch of a hostile name, labeled otherwise on both sides: conflicts are listed, settled, merged."""
    run("branch", BRANCH)
    run("branch", BRANCH, "--json", code=5)  # it is there
    run("switch", BRANCH)
    edit(root, (SCRIPT, f"there{SHELL}", *LABELS[2:]))
    run("switch", "main", "--json")
    edit(root, (SCRIPT, f"here{SHELL}", *LABELS[2:]))
    assert "conflict" in run("merge", BRANCH, code=5).err
    run("merge", BRANCH, "--json", code=5)
    run("merge", BRANCH, "--theirs")
    run("branches", "--json")
    run("drop", BRANCH, code=5)
    run("drop", BRANCH, "--yes", "--json")
    run("restore")
    run("restore", "--json")


def test_both_pages(project: Project, settings: Settings) -> None:
    """Label Studio's page of the tasks, and the report: names are shown, and none of them runs."""
    state = project.remote.state()
    assert state is not None
    task = next(task for task in project.studio.tasks(state.project) if task.data["series"] == KEYS[0])
    with open_page(settings, state.project, task.id) as page:
        dialogs: list[object] = []
        page.on("dialog", lambda dialog: dialogs.append(dialog))
        page.goto(f"{settings.label_studio_url}/projects/{state.project}/data")
        page.wait_for_selector(f"text={SCRIPT}", timeout=30_000)
        assert page.evaluate(f"window.{RAN}") is None
        page.goto((project.root / "reports/index.html").as_uri())
        text = page.inner_text("body")
        assert page.evaluate(f"window.{RAN}") is None
        assert dialogs == []
    for label in (SCRIPT, SHELL, LABELS[5], LABELS[6]):
        assert label in text, label
