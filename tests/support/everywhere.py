"""All that a command may change, to hold it against what is there after: bucket, Label Studio, git, files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from storage import process
from storage.label_studio import label_config
from storage.project import Project

# Notes of programs about what they have seen; none of it is read as anything else.
NOTES = (".dvc/tmp", ".git/index", ".git/gc.log")


class Everywhere:
    """Everything that a project is made of."""

    def __init__(self, project: Project) -> None:
        self.project = project

    @contextmanager
    def stays(self) -> Iterator[None]:
        """Nothing changes anywhere in this block."""
        before = self.look()
        yield
        after = self.look()
        changed = {name: (before.get(name), after.get(name)) for name in before.keys() | after.keys()}
        changed = {name: sides for name, sides in changed.items() if sides[0] != sides[1]}
        assert not changed, changed

    def look(self) -> dict[str, Any]:
        """What is where, by the name of its place."""
        found: dict[str, Any] = {f"s3 {item.key}": item.etag for item in self.project.bucket.objects("")}
        found |= self._studio() | self._files()
        found["git"] = (
            self.project.repository.git.run("for-each-ref"),
            self.project.repository.git.run("status", "-s"),
        )
        return found

    def _studio(self) -> dict[str, Any]:
        if not (self.project.root / label_config.PATH).exists():  # no import has come so far
            return {
                "projects": self.project.studio.projects.find_by_description(self.project.bucket.url("main"))
            }
        state = self.project.remote.state()
        if state is None or not state.project:
            return {}
        studio = self.project.studio
        found: dict[str, Any] = {"project": studio.projects.get(state.project)["label_config"]}
        for task in studio.tasks(state.project):
            found[f"task {task.id}"] = task.data, task.updated_at
            found |= {f"annotation {a['id']}": a for a in studio.annotations(task.id)}
        for prediction in studio.predictions(state.project):
            found[f"prediction {prediction['id']}"] = prediction["model_version"], prediction["result"]
        for annotation in found.values():
            if isinstance(annotation, dict):
                annotation.pop("created_ago", None)
        return found

    def _files(self) -> dict[str, Any]:
        # By another process: reading SQLite's file would let go of this process's locks on it.
        names = process.run(["find", ".", "-type", "f", "-print0"], cwd=self.project.root).split("\0")
        wanted = sorted(name[2:] for name in names if name and not name[2:].startswith(NOTES))
        sums = process.output(
            ["xargs", "-0", "sha256sum", "-z"], cwd=self.project.root, stdin="\0".join(wanted).encode()
        )
        return {f"file {line[66:]}": line[:64] for line in sums.decode().split("\0") if line}
