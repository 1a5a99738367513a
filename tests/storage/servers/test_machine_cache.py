"""The cache that a user's projects share: nothing is run from it that somebody else could have put there."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pipelines import services
from storage import settings
from storage.errors import SetupError
from storage.servers import machine_cache, minio, uv_environment, uv_launcher
from storage.settings import MINIO
from tests.conftest import CHECKOUT

STRANGER = 54321


def test_it_is_made_for_this_user_alone(tmp_path: Path) -> None:
    cache = machine_cache.ready(tmp_path / "a/cache")
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    cache.chmod(0o755)  # an earlier Labeltrail's: others may look, and not write
    assert machine_cache.ready(cache) == cache


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777, 0o1777])
def test_one_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    cache = tmp_path / "ca che"
    cache.mkdir()
    cache.chmod(mode)
    with pytest.raises(SetupError) as caught:
        machine_cache.ready(cache)
    assert str(caught.value) == (
        "what others could have changed is not run\n"
        f"  where: {cache}\n"
        f"  why: others may write to it (mode {mode:o})\n"
        f"  next: look at what is in it, then: chmod -R go-w '{cache}'; or delete it; or "
        "LABELTRAIL_CACHE=ANOTHER_FOLDER"
    )
    assert caught.value.exit_code == 8
    subprocess.run(["sh", "-c", caught.value.cure.split(";")[0].partition("then: ")[2]], check=True)
    assert machine_cache.ready(cache) == cache


def test_one_below_a_folder_of_everybody_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    (shared / "cache").mkdir(parents=True)
    shared.chmod(0o777)
    with pytest.raises(SetupError) as caught:
        machine_cache.ready(shared / "cache")
    assert caught.value.why == f"everybody may write to {shared} (mode 777), and put another one in its place"
    shared.chmod(0o1777)  # as /tmp is: nobody may move what is another's
    machine_cache.ready(shared / "cache")


def test_one_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = machine_cache.ready(tmp_path / "cache")
    if os.geteuid() == 0:
        os.chown(cache, STRANGER, STRANGER)
        why = "it belongs to user 54321, and you are root"
    else:  # nobody but root can give a file away, so it is the reader who is another
        monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
        why = f"it belongs to {cache.owner()}, and you are user 54321"
    with pytest.raises(SetupError) as caught:
        machine_cache.ready(cache)
    assert caught.value.why == why


def test_a_program_in_it_is_looked_at_too(tmp_path: Path) -> None:
    cache = machine_cache.ready(tmp_path / "cache")
    program = cache / "minio"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    machine_cache.require(cache, program)
    program.chmod(0o775)
    with pytest.raises(SetupError) as caught:
        machine_cache.require(cache, program)
    assert (caught.value.where, caught.value.why) == (str(program), "others may write to it (mode 775)")


def test_a_link_is_as_good_as_what_it_leads_to(tmp_path: Path) -> None:
    """Homes are links on many machines."""
    real = tmp_path / "disk2/cache"
    real.mkdir(parents=True)
    (tmp_path / "cache").symlink_to(real)
    assert machine_cache.ready(tmp_path / "cache") == tmp_path / "cache"
    real.chmod(0o777)
    with pytest.raises(SetupError, match="what others could have changed"):
        machine_cache.ready(tmp_path / "cache")


def test_a_tree_is_looked_at_whole(tmp_path: Path) -> None:
    folder = machine_cache.ready(tmp_path / "cache") / "environment"
    (folder / "lib/deep").mkdir(parents=True)
    module = folder / "lib/deep/module.py"
    module.write_text("")
    (folder / ".lock").touch()
    (folder / ".lock").chmod(0o666)
    (folder / "python").symlink_to(sys.executable)
    machine_cache.require_tree(folder)
    module.chmod(0o664)
    with pytest.raises(SetupError) as caught:
        machine_cache.require_tree(folder)
    assert caught.value.where == str(module)
    machine_cache.tighten(folder)
    machine_cache.require_tree(folder)


def test_a_plain_user_takes_what_is_theirs_or_roots(tmp_path: Path) -> None:
    """Asked as a plain user, whoever runs the tests, with nothing but a bare Python."""
    places = [Path("/usr"), tmp_path / "mine", tmp_path / "another"]
    copy = tmp_path / "code/storage/servers"
    for folder in (*places[1:], copy):
        folder.mkdir(parents=True)
    for name in ("__init__.py", "machine_cache.py"):
        shutil.copy(CHECKOUT / "storage/servers" / name, copy)
    user = os.geteuid()
    if user == 0:
        user = STRANGER
        top = Path(tempfile.gettempdir())
        below = [folder for folder in tmp_path.parents if folder != top and folder.is_relative_to(top)]
        for folder in (tmp_path, *below):
            folder.chmod(0o755)
        os.chown(places[1], user, user)
        os.chown(places[2], user + 1, user + 1)
    code = (
        "import os, sys; os.geteuid() or os.setuid(int(sys.argv[1]))\n"
        "from pathlib import Path\nfrom storage.servers.machine_cache import fault\n"
        "print([fault(Path(place)) for place in sys.argv[2:]])"
    )
    words = ["python3", "-c", code, str(user), *map(str, places)]
    env = {"PYTHONPATH": str(copy.parents[1]), "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    refused = "it belongs to user 54322, and you are user 54321" if os.geteuid() == 0 else ""
    assert done.stdout == f"{['', '', refused]}\n"


def test_up_runs_nothing_of_a_cache_that_others_may_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    shutil.copy(settings.cache_folder() / f"minio-{minio.SOURCE.version}", cache)
    monkeypatch.setenv("LABELTRAIL_CACHE", str(cache))
    cache.chmod(0o777)
    project = tmp_path / "project"
    project.mkdir()
    with pytest.raises(SetupError, match="what others could have changed is not run"):
        services.up(project, only=[MINIO])
    assert services.status(project)[0].state == "stopped"
    assert [path.name for path in cache.iterdir()] == [f"minio-{minio.SOURCE.version}"], (
        "nor was anything written there"
    )


# -- uv, for `make` -------------------------------------------------------------------------------


def launch(cache: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What `make` runs, on a machine without uv."""
    env = {"LABELTRAIL_CACHE": str(cache), "PATH": "/usr/bin:/bin", "HOME": str(cache.parent)}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("PIP_", "SSL_", "HTTPS_", "HTTP_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "storage.servers.uv_launcher", *words],
        cwd=CHECKOUT, env=kept | env, capture_output=True, text=True, timeout=200,
    )  # fmt: skip


@pytest.mark.slow  # .ci/run itself begins so
def test_make_brings_its_own_uv_pinned_by_its_hash(tmp_path: Path) -> None:
    cache = tmp_path / "ca'che $(x)"
    done = launch(cache, "--version")
    assert done.stdout.startswith(f"uv {uv_launcher.version()}"), done.stderr
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    before = (cache / "uv/bin/uv").stat().st_mtime_ns
    assert launch(cache, "--version").stdout == done.stdout
    assert (cache / "uv/bin/uv").stat().st_mtime_ns == before, "it is brought once"
    machine_cache.require_tree(cache / "uv")

    (cache / "uv/bin/uv").chmod(0o777)
    done = launch(cache, "--version")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"where: {cache}/uv/bin/uv\n  why: others may write to it (mode 777)" in done.stderr
    with pytest.raises(SetupError), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/usr/bin:/bin")
        patch.setattr(sys, "executable", "/usr/bin/python3")
        uv_environment.command(cache)


def test_a_uv_that_is_not_what_its_hash_says_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "uv.lock.txt"
    text = uv_launcher.LOCK.read_text(encoding="utf-8")
    lock.write_text(re.sub("sha256:....", "sha256:0000", text))
    monkeypatch.setattr(uv_launcher, "LOCK", lock)
    with pytest.raises(subprocess.CalledProcessError):
        uv_launcher.installed(tmp_path / "cache")
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in capfd.readouterr().err
    assert not (tmp_path / "cache/uv/bin/uv").exists()


def test_the_cache_of_make_is_that_of_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for cache, xdg in (("", ""), ("", str(tmp_path)), (str(tmp_path / "c"), ""), ("~/c", str(tmp_path))):
        monkeypatch.setenv("LABELTRAIL_CACHE", cache)
        monkeypatch.setenv("XDG_CACHE_HOME", xdg)
        assert uv_launcher.cache_folder() == settings.cache_folder()
