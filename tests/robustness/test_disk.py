"""A disk without room: an error that says so, and the same command ends right once there is room again."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from storage.errors import SetupError
from storage.settings import Settings
from tests.conftest import clone, imported
from tests.support.edits import committed, edit, held
from tests.support.killing import assert_clean, program

SIZE = 48 << 20
KIB = 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    # Where everything has to pass, what is missing is a failure.
    leave_out = pytest.fail if os.environ.get("CI") else pytest.skip
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        leave_out("a small disk needs Linux and root: a tmpfs is mounted")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        leave_out(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path, left: int) -> Path:
    """Take all room but some bytes."""
    path = place / "filler"
    room = os.statvfs(place)
    path.write_bytes(b"\0" * max(0, room.f_bavail * room.f_frsize - left))
    return path


def test_a_full_disk_is_said_and_done_no_harm(
    small_disk: Path, settings: Settings, tmp_path: Path, faults: int
) -> None:
    project = clone(small_disk / "clone", settings, f"lab-{uuid4().hex[:12]}")
    lab = imported(project, tmp_path)
    die, said = random.Random(3), 0  # noqa: S311 -- no secret
    for left in (0, *(die.randrange(1, 100) for _ in range(faults - 1))):
        for _ in range(3):
            edit(lab.project, lab.number, die)
        filler = fill(small_disk, left * KIB)
        full = program(lab.project.root, ["sync"])
        filler.unlink()
        assert "Traceback" not in full.output, f"{left} KiB left:\n{full.output}"
        said += full.status == SetupError.exit_code
        again = program(lab.project.root, ["sync"])
        assert again.status == 0, f"{left} KiB left:\n{full.output}\n{again.output}"
        assert committed(lab) == held(lab.project.studio, lab.number)
        assert lab.sync().commit == ""
        assert_clean(lab.project.root)
    assert said
