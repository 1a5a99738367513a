"""All that a command may change, to hold it against what is there after: bucket, Label Studio, git, files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
        assert {k: v for k, v in after.items() if before.get(k) != v} == {}
        assert before.keys() == after.keys()

    def look(self) -> dict[str, Any]:
        """What is where, by the name of its place."""
        found: dict[str, Any] = {f"s3 {item.key}": item.etag for item in self.project.bucket.objects("")}
        found |= self._studio() | self._files()
        found["git"] = (
            self.project.repository.git("for-each-ref"),
            self.project.repository.git("status", "-s"),
        )
        return found

    def _studio(self) -> dict[str, Any]:
        state = self.project.remote.state()
        if state is None or not state.project:
            return {}
        studio = self.project.studio
        found: dict[str, Any] = {"project": studio.project(state.project)["label_config"]}
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
        root = self.project.root
        return {
            f"file {name}": (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
            for path in sorted(root.rglob("*"))
            if path.is_file() and not (name := path.relative_to(root).as_posix()).startswith(NOTES)
        }
