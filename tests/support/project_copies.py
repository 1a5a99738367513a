"""One project on the servers for many tests: each gets a copy of its clone, and the bucket is put right again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.project import Project
from tests.conftest import Lab


@contextmanager
def copied(lab: Lab, root: Path) -> Iterator[Lab]:
    """A copy of a clone, for tests that harm it, DVC's objects or sync.json; annotations and tasks must stay.

    Args:
        lab: the project, which stays as it is.
        root: where the copy comes to lie.
    """
    shutil.copytree(lab.project.root, root, symlinks=True)
    bucket = lab.project.bucket
    names = ("dvc/", lab.project.remote.state_key)
    before = {item.key: bucket.get(item.key)[0] for name in names for item in bucket.objects(name)}
    yield Lab(Project(root), lab.number)
    now = {item.key for name in names for item in bucket.objects(name)}
    bucket.delete(now - before.keys())
    for key, data in before.items():
        if key not in now or bucket.get(key)[0] != data:
            bucket.put(key, data)
