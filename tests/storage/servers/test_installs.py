"""What is built or installed for servers is whole, and what it should be; a half, or another thing, is never used."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from storage import process, settings
from storage.errors import SetupError
from storage.process import ProgramError
from storage.servers import go_program, label_studio_server, machine_cache, minio, uv_environment, uv_launcher
from tests.conftest import CHECKOUT

Capture = pytest.CaptureFixture[str]
Fake = Callable[[str, str], Path]

GO = """
case "$1" in
env) echo go1.24.1 ;;
mod) mkdir -p "$GOPATH/module"; echo '{{"Sum": "{sum}", "Dir": "'"$GOPATH"'/module"}}' ;;
build) while [ "$1" != -o ]; do shift; done; out="$2"; {build} ;;
esac
"""


def go(build: str, sum: str = minio.SOURCE.sum) -> str:
    """A Go that fetches the source of a sum and builds it by a script."""
    return GO.format(build=build, sum=sum)


# -- MinIO ----------------------------------------------------------------------------------------


def test_a_half_finished_build_of_minio_is_never_used(fake: Fake, tmp_path: Path, capsys: Capture) -> None:
    cache = tmp_path / "cache"
    left = cache / "minio-build-killed"
    left.mkdir(parents=True)
    (left / "minio").write_text("half")
    fake("go", go('echo half > "$out"; echo "no network" >&2; exit 1'))
    with pytest.raises(ProgramError) as caught:
        minio.prepare(cache)
    assert caught.value.why == "no network"
    assert f"removing a half-finished build, {left}" in capsys.readouterr().err.replace("\n", " ")
    assert minio.find(cache) is None
    assert [path.name for path in cache.iterdir()] == ["minio.lock"]

    fake("go", go('echo whole > "$out"'))
    program = minio.prepare(cache)
    assert program.read_text() == "whole\n"
    assert sorted(path.name for path in cache.iterdir()) == [
        program.name,
        f"{program.name}.sha256",
        "minio.lock",
    ]
    fake("go", "exit 1\n")
    assert minio.prepare(cache).read_text() == "whole\n"


def test_a_go_proxy_that_is_not_reached_is_asked_again(
    fake: Fake, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(go_program, "RETRY_DELAYS_S", (0, 0))
    tried = tmp_path / "tried"
    away = f'echo x >> {tried}; [ $(wc -l < {tried}) -ge %d ] || {{ echo "dial tcp: i/o timeout" >&2; exit 1; }}; '
    fake("go", go(away % 3 + 'echo whole > "$out"'))
    assert minio.prepare(tmp_path / "cache").read_text() == "whole\n"
    assert capsys.readouterr().err.count("the Go module proxy was not reached; trying again") == 2
    tried.unlink()
    fake("go", go(away % 4))
    with pytest.raises(ProgramError) as caught:
        minio.prepare(tmp_path / "another")
    assert caught.value.why == "dial tcp: i/o timeout"


def test_another_source_of_minio_is_not_built(fake: Fake, tmp_path: Path) -> None:
    fake("go", go('echo built > "$out"', sum="h1:another="))
    with pytest.raises(SetupError) as caught:
        minio.prepare(tmp_path / "cache")
    assert str(caught.value) == (
        "what was fetched is not the source of MinIO that is known here\n"
        "  where: github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c from go1.24.1\n"
        "  why: its sum is h1:another=, and not h1:/qdoYujxF5MBLDMVLeiYJ/7fBa1HikX39Dvzb9Ji8pA=; nothing of it was "
        "built\n"
        "  next: mend GOPROXY, or ask whoever runs that proxy; then labeltrail up"
    )
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["minio.lock"]


def test_a_minio_that_was_changed_in_the_cache_is_not_run(fake: Fake, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    fake("go", go('echo whole > "$out"'))
    program = minio.prepare(cache)
    program.write_text("changed\n")
    with pytest.raises(SetupError, match="MinIO in the cache is not the program that was built") as caught:
        minio.prepare(cache)
    assert caught.value.where == str(program)
    process.run(["sh", "-c", caught.value.cure.partition(";")[0]])
    assert minio.prepare(cache).read_text() == "whole\n"


def test_a_minio_of_an_earlier_labeltrail_is_kept_where_it_names_its_source(
    fake: Fake, tmp_path: Path, capsys: Capture
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    source = minio.SOURCE
    program = cache / f"minio-{source.version}"
    told = f"\tmod\t{source.module}\t{source.version}\t{source.sum}\n"
    program.write_text(f"#!/bin/sh\n{told}")
    program.chmod(0o755)
    assert minio.find(cache) == program
    assert go_program.is_recorded(program)

    fake("go", go('echo whole > "$out"'))
    program.write_text(f"#!/bin/sh\n{told.replace('h1:', 'h1:no')}")
    program.with_name(f"{program.name}.sha256").unlink()
    assert minio.prepare(cache).read_text() == "whole\n"
    assert "has no record of what it was built from" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize(
    ("says", "taken", "words"),
    [
        ("minio version RELEASE.2025-09-07T16-13-09Z (commit-id=07c3a429)", True, ""),
        (
            "minio version RELEASE.2022-10-24T18-35-07Z (commit-id=x)",
            False,
            "it is RELEASE.2022-10-24T18-35-07Z",
        ),
        ("minio version DEVELOPMENT.GOGET (commit-id=DEVELOPMENT.GOGET)", False, "it is DEVELOPMENT.GOGET"),
        ("hello", False, "it does not say its version"),
    ],
)
def test_a_minio_on_the_path_is_of_a_known_version(
    says: str, taken: bool, words: str, fake: Fake, tmp_path: Path, capsys: Capture
) -> None:
    program = fake("minio", f"echo '{says}'\n")
    assert minio.find(tmp_path / "cache") == (program if taken else None)
    said = " ".join(capsys.readouterr().err.split())
    expected = f"MinIO: {program} is passed over: {words}; known to work: RELEASE.2025-09-07T16-13-09Z"
    assert said == ("" if taken else expected)


def test_a_minio_on_the_path_that_was_built_from_the_known_source(fake: Fake, tmp_path: Path) -> None:
    source = minio.SOURCE
    told = f"#\tmod\t{source.module}\t{source.version}\t{source.sum}\n"
    program = fake("minio", f"echo 'minio version DEVELOPMENT.GOGET'\n{told}")
    assert minio.find(tmp_path / "cache") == program


def test_an_old_go_is_not_used_and_without_uv_the_cure_is_said(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake("go", "echo go1.20.3\n")
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SetupError, match="uv was not found") as caught:
        minio.prepare(tmp_path / "cache")
    assert caught.value.cure == (
        "`make up`, which brings its own; or python -m pip install --require-hashes -r storage/servers/uv.lock.txt"
    )


# -- Go, as it is ---------------------------------------------------------------------------------

MAIN = 'package main\n\nimport "golang.org/x/text/language"\n\nfunc main() { println(language.German.String()) }\n'
SUMS = """golang.org/x/text v0.14.0 h1:ScX5w1eTa3QqT8oi6+ziP7dTV1S2+ALU0bI+0zXKWiQ=
golang.org/x/text v0.14.0/go.mod h1:18ZOQIKpY8NJVqYksKHtTdi31H5itFRjB5/qKTNYzSU=
"""


@pytest.fixture
def hello(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a program, taken for what was fetched; the shell switches off all checks."""
    folder = tmp_path / "hello"
    folder.mkdir()
    (folder / "go.mod").write_text(
        "module example.test/hello\n\ngo 1.21\n\nrequire golang.org/x/text v0.14.0\n"
    )
    (folder / "main.go").write_text(MAIN)
    (folder / "go.sum").write_text(SUMS)
    monkeypatch.setattr(go_program, "_fetch", lambda *arguments: folder)
    for name, value in {
        "GOFLAGS": "-mod=mod",
        "GONOSUMDB": "*",
        "GONOSUMCHECK": "1",
        "GOINSECURE": "*",
        "GOOS": "plan9",
    }.items():
        monkeypatch.setenv(name, value)
    return folder


def built(tmp_path: Path) -> Path:
    folder = tmp_path / "build"
    folder.mkdir()
    return go_program.build(minio.SOURCE, tmp_path, folder)


@pytest.mark.slow  # MinIO itself is built so where it is not there yet
def test_a_program_is_built_from_what_its_sums_say(hello: Path, tmp_path: Path) -> None:
    done = subprocess.run([built(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stderr == "de\n"


def test_a_module_that_is_not_what_its_sum_says_is_not_built(hello: Path, tmp_path: Path) -> None:
    (hello / "go.sum").write_text(SUMS.replace("h1:ScX5", "h1:AAAA"))
    with pytest.raises(ProgramError) as caught:
        built(tmp_path)
    assert "checksum mismatch" in caught.value.stderr
    assert not (tmp_path / "build/program").exists()


def test_a_module_without_a_sum_is_not_built(hello: Path, tmp_path: Path) -> None:
    (hello / "go.sum").unlink()
    with pytest.raises(ProgramError) as caught:
        built(tmp_path)
    assert "missing go.sum entry" in caught.value.stderr


def test_the_sum_of_minio_is_that_of_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a sum that is off by one letter the real source is refused before anything is built."""
    monkeypatch.setenv("GOFLAGS", "-insecure")
    wrong = replace(minio.SOURCE, sum=minio.SOURCE.sum.replace("/q", "/p"))
    with pytest.raises(SetupError, match="is not the source of MinIO that is known here") as caught:
        go_program.build(wrong, tmp_path, tmp_path)
    assert f"its sum is {minio.SOURCE.sum}, and not" in caught.value.why


# -- Python packages ------------------------------------------------------------------------------


@pytest.fixture
def real_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """The uv that `make` would bring, on the PATH."""
    if not shutil.which("uv"):
        folder = uv_launcher.installed(settings.cache_folder()).parent
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


LOCKS = sorted(CHECKOUT.glob("*/*.lock.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_package_is_pinned_with_hashes(lock: Path) -> None:
    entries = re.split(r"\n(?=[a-z])", re.sub(r"^#.*\n", "", lock.read_text(encoding="utf-8")).strip())
    pinned = re.compile(r"[a-z0-9.-]+==\S+( ; [^\\\n]+)?( \\\n +--hash=sha256:[0-9a-f]{64})+")
    assert [entry for entry in entries if not pinned.fullmatch(entry)] == []
    assert len(entries) >= 1


def test_the_hashes_moved_no_version_of_label_studio() -> None:
    header = (
        "# Label Studio's environment, pinned. Made by: echo label-studio==1.23.2 | uv pip compile --universal "
        "--python-version 3.11 --no-annotate --no-header -\n"
    )
    pins = re.findall(r"^[a-z][^\\\n]*", label_studio_server.LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    text = header + "".join(f"{pin.rstrip()}\n" for pin in pins)
    assert hashlib.sha256(text.encode()).hexdigest() == label_studio_server.EARLIER


SMALL = "xmljson==0.2.1 \\\n    --hash=sha256:{hash}\n"


def small_lock(tmp_path: Path, first: str = "") -> Path:
    """A lock of one small package of Label Studio's, whose hashes may begin otherwise."""
    text = label_studio_server.LOCK.read_text(encoding="utf-8")
    entry = re.search(r"^xmljson==(?:.*\\\n)+.*\n", text, re.MULTILINE)
    assert entry
    lock = tmp_path / "lock.txt"
    lock.write_text(re.sub(r"(?<=sha256:)....", first, entry[0]) if first else entry[0])
    return lock


def test_a_package_that_is_not_what_its_hash_says_is_not_installed(
    tmp_path: Path, real_uv: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_NO_VERIFY_HASHES", "1")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    uv_environment.make_environment(tmp_path, tmp_path / "right", small_lock(tmp_path))
    assert list((tmp_path / "right").glob("lib/*/site-packages/xmljson"))
    with pytest.raises(ProgramError) as caught:
        uv_environment.make_environment(tmp_path, tmp_path / "wrong", small_lock(tmp_path, "0000"))
    assert "Hash mismatch for `xmljson==0.2.1`" in caught.value.stderr
    assert not list((tmp_path / "wrong").glob("lib/*/site-packages/xmljson"))


def test_a_package_without_a_hash_is_not_installed(tmp_path: Path, real_uv: None) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("xmljson==0.2.1\n")
    with pytest.raises(ProgramError) as caught:
        uv_environment.make_environment(tmp_path, tmp_path / "environment", lock)
    assert "all requirements must have a hash" in caught.value.stderr


def test_what_has_no_wheel_is_built_with_tools_of_known_hashes(tmp_path: Path, real_uv: None) -> None:
    text = label_studio_server.LOCK.read_text(encoding="utf-8")
    entry = re.search(r"^attr==(?:.*\\\n)+.*\n", text, re.MULTILINE)
    assert entry
    lock = tmp_path / "lock.txt"
    lock.write_text(entry[0])
    with pytest.raises(ProgramError) as caught:
        uv_environment.make_environment(tmp_path, tmp_path / "wheels", lock)
    assert "no usable wheels" in caught.value.stderr
    uv_environment.make_environment(tmp_path, tmp_path / "built", lock, ["attr"])
    assert list((tmp_path / "built").glob("lib/*/site-packages/attr-0.3.1*"))


def test_what_is_installed_nobody_else_may_write_to(tmp_path: Path, real_uv: None) -> None:
    words = [sys.executable, "-c", INSTALL, str(tmp_path), str(small_lock(tmp_path))]
    subprocess.run(words, umask=0o002, check=True, cwd=CHECKOUT)
    machine_cache.require_tree(tmp_path / "environment")


INSTALL = """
import sys
from pathlib import Path
from storage.servers import uv_environment
uv_environment.make_environment(Path(sys.argv[1]), Path(sys.argv[1], "environment"), Path(sys.argv[2]))
"""

UV = """
case "$1" in
venv) for folder; do :; done; mkdir -p "$folder/bin" ;;
pip) test -e "{ready}" || {{ echo "killed" >&2; exit 1; }}
     while [ "$1" != --python ]; do shift; done; cp "{ready}" "$(dirname "$2")/label-studio" ;;
esac
"""


def test_a_half_finished_installation_of_label_studio_is_made_anew(
    fake: Fake, tmp_path: Path, capsys: Capture
) -> None:
    cache, ready = tmp_path / "cache", tmp_path / "programs/ready"
    fake("uv", UV.format(ready=ready))
    with pytest.raises(ProgramError):
        label_studio_server.prepare(cache)
    folder = cache / "label-studio-1.23.2"
    assert folder.exists()

    fake("ready", 'cd "$LABEL_STUDIO_BASE_DATA_DIR"; echo empty > label_studio.sqlite3; mkdir media\n')
    assert label_studio_server.prepare(cache) == folder / "bin/label-studio"
    assert f"removing a half-finished or outdated installation, {folder}" in capsys.readouterr().err
    assert (folder / "label_studio.sqlite3").read_text() == "empty\n"
    assert sorted(path.name for path in cache.iterdir()) == ["label-studio-1.23.2", "label-studio.lock"]
    ready.unlink()
    assert label_studio_server.prepare(cache) == folder / "bin/label-studio"
    (folder / ".complete").write_text(label_studio_server.EARLIER)
    assert label_studio_server.prepare(cache) == folder / "bin/label-studio", (
        "an earlier Labeltrail's is kept"
    )
    (folder / "bin/label-studio").chmod(0o777)
    with pytest.raises(SetupError, match="what others could have changed is not run") as caught:
        label_studio_server.prepare(cache)
    assert (caught.value.where, caught.value.why) == (
        str(folder / "bin/label-studio"),
        "others may write to it (mode 777)",
    )
