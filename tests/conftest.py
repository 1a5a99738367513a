"""Real servers for the tests: one MinIO and one Label Studio for a whole pytest session.

They never skip: what is not on this machine yet is built or installed, once, into the user's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines import services
from storage import settings as project_settings
from storage.settings import LABEL_STUDIO, MINIO, SERVICES, Settings


@pytest.fixture(scope="session", autouse=True)
def bare_environment() -> Iterator[None]:
    """Tests use their own servers, whatever the shell that runs them points at."""
    names = [name for service in SERVICES for name in (service.url, service.port, *service.credentials)]
    with pytest.MonkeyPatch.context() as patch:
        for name in (*names, "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "LABELTRAIL_BUCKET"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def services_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a project that has servers; they are stopped when the session ends."""
    root = tmp_path_factory.mktemp("services")
    yield root
    services.down(root)


@pytest.fixture(scope="session")
def minio(services_root: Path) -> Settings:
    """A running MinIO; the bucket is not made yet."""
    services.up(services_root, only=[MINIO])
    return project_settings.load(services_root)


@pytest.fixture(scope="session")
def label_studio(services_root: Path, minio: Settings) -> Settings:
    """A running Label Studio beside the MinIO that it may reach."""
    services.up(services_root, only=[LABEL_STUDIO])
    return minio


@pytest.fixture(scope="session")
def settings(label_studio: Settings) -> Settings:
    """Addresses and credentials of both running servers."""
    return label_studio


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Puts a shell script on the PATH in a program's place, to fail in a chosen way; the cache is empty."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("LABELTRAIL_CACHE", str(tmp_path / "cache"))

    def write(name: str, script: str) -> Path:
        path = folder / name
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)
        return path

    return write
