"""What is built or installed for servers is whole, or made anew; a half is never used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from storage import labelstudio_server, minio
from storage.errors import SetupError
from storage.process import ProgramError

Capture = pytest.CaptureFixture[str]
Fake = Callable[[str, str], Path]

GO = """
case "$1" in
env) echo go1.24.1 ;;
install) {install} ;;
esac
"""


def test_a_half_finished_build_of_minio_is_never_used(fake: Fake, tmp_path: Path, capsys: Capture) -> None:
    cache = tmp_path / "cache"
    left = cache / "minio-build-killed"
    left.mkdir(parents=True)
    (left / "minio").write_text("half")
    fake("go", GO.format(install='echo half > "$GOBIN/minio"; echo "no network" >&2; exit 1'))
    with pytest.raises(ProgramError) as caught:
        minio.prepare(cache)
    assert caught.value.why == "no network"
    assert f"removing a half-finished build, {left}" in capsys.readouterr().err
    assert minio.find(cache) is None
    assert [path.name for path in cache.iterdir()] == ["minio.lock"]

    fake("go", GO.format(install='echo whole > "$GOBIN/minio"'))
    assert minio.prepare(cache).read_text() == "whole\n"
    fake("go", "exit 1\n")
    assert minio.prepare(cache).read_text() == "whole\n"


def test_an_old_go_is_not_used_and_without_uv_the_cure_is_said(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake("go", "echo go1.20.3\n")
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SetupError, match="uv was not found") as caught:
        minio.prepare(tmp_path / "cache")
    assert caught.value.cure == "pip install uv, or run `make up`, which brings its own"


UV = """
case "$1" in
venv) for folder; do :; done; mkdir -p "$folder/bin" ;;
pip) test -e "{ready}" || {{ echo "killed" >&2; exit 1; }}
     cp "{ready}" "$(dirname "$5")/label-studio" ;;
esac
"""


def test_a_half_finished_installation_of_label_studio_is_made_anew(
    fake: Fake, tmp_path: Path, capsys: Capture
) -> None:
    cache, ready = tmp_path / "cache", tmp_path / "programs/ready"
    fake("uv", UV.format(ready=ready))
    with pytest.raises(ProgramError):
        labelstudio_server.prepare(cache)
    folder = cache / "label-studio-1.23.2"
    assert folder.exists()

    fake("ready", 'cd "$LABEL_STUDIO_BASE_DATA_DIR"; echo empty > label_studio.sqlite3; mkdir media\n')
    assert labelstudio_server.prepare(cache) == folder / "bin/label-studio"
    assert f"removing a half-finished or outdated installation, {folder}" in capsys.readouterr().err
    assert (folder / "label_studio.sqlite3").read_text() == "empty\n"
    assert sorted(path.name for path in cache.iterdir()) == ["label-studio-1.23.2", "label-studio.lock"]
    ready.unlink()
    assert labelstudio_server.prepare(cache) == folder / "bin/label-studio"
