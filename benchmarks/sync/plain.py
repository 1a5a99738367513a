"""The plain way: annotations imported from the bucket with DVC's own commands, and a pipeline of one stage."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from benchmarks.sync.lab import identify
from storage import process, settings
from storage.files import write_bytes
from storage.project import Project

FOLDER = "data/annotations"


class Plain:
    """A git repository with DVC that follows the same bucket by `dvc import-url` and `dvc update`.

    Args:
        root: where to make it.
        project: whose bucket it follows.
        backup: have a copy of everything in a DVC remote from the beginning.
    """

    def __init__(self, root: Path, project: Project, backup: bool = True) -> None:
        self.root = root
        root.mkdir(parents=True)
        self.run("git", "init", "--quiet", "--initial-branch=main")
        identify(root)
        self.run("dvc", "init", "--quiet")
        self.run("dvc", "config", "core.analytics", "false")
        self._remote("source", project.bucket.url(""), project)
        self._remote("backup", project.bucket.url("plain"), project)
        self.run("dvc", "remote", "default", "backup")
        (root / "data").mkdir()
        source = f"remote://source/{project.remote.annotations_prefix.rstrip('/')}"
        self.run("dvc", "import-url", "--quiet", source, FOLDER)
        self.commit("annotations imported")
        if backup:
            self.push()

    def run(self, *words: str) -> str:
        """Run a program in this repository, with the DVC of this Python's environment."""
        return process.run(words, cwd=self.root, env=settings.stage_environment())

    def _remote(self, name: str, url: str, project: Project) -> None:
        self.run("dvc", "remote", "add", "--quiet", name, url.rstrip("/"))
        given = project.settings
        options = {
            "endpointurl": given.s3_endpoint,
            "access_key_id": given.access_key_id,
            "secret_access_key": given.secret_access_key.get_secret_value(),
        }
        path = self.root / ".dvc/config.local"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        text += f"['remote \"{name}\"']\n" + "".join(
            f"    {key} = {value}\n" for key, value in options.items()
        )
        write_bytes(path, text.encode(), mode=0o600)

    def commit(self, message: str) -> None:
        """Commit what there is, if anything."""
        self.run("git", "add", "--all")
        if self.run("git", "status", "--porcelain"):
            self.run("git", "commit", "--quiet", "-m", message)

    def update(self) -> None:
        """`dvc update` and, where it changed something, a git commit."""
        self.run("dvc", "update", "--quiet", f"{FOLDER}.dvc")
        self.commit("annotations updated")

    def update_here(self) -> None:
        """`dvc update` in this process."""
        from dvc.repo import Repo

        with redirect_stdout(StringIO()):
            Repo(str(self.root)).update([str(self.root / f"{FOLDER}.dvc")])

    def push(self) -> None:
        """`dvc push`."""
        self.run("dvc", "push", "--quiet")


def one_stage(root: Path) -> None:
    """A repository with the smallest pipeline there is, which has been run."""
    root.mkdir(parents=True)
    write_bytes(root / "in.txt", b"1\n")
    stage = "stages:\n  copy:\n    cmd: cp in.txt out.txt\n    deps: [in.txt]\n    outs: [out.txt]\n"
    write_bytes(root / "dvc.yaml", stage.encode())
    environment = settings.stage_environment()
    for words in (["git", "init", "--quiet"], ["dvc", "init", "--quiet"], ["dvc", "repro", "--quiet"]):
        process.run(words, cwd=root, env=environment)
