"""compose.yaml: pinned, for this machine only, and with the settings that `labeltrail up` gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from storage import settings
from storage.servers import label_studio_server

ROOT = Path(__file__).parents[3]


@pytest.fixture
def servers() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text())["services"])


def test_images_are_pinned_and_ports_are_on_this_machine_only(servers: dict[str, Any]) -> None:
    assert servers["label-studio"]["image"] == f"heartexlabs/label-studio:{label_studio_server.VERSION}"
    assert servers["minio"]["image"] == "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z"
    ports = [port for server in servers.values() for port in server["ports"]]
    assert ports == ["127.0.0.1:9000:9000", "127.0.0.1:9001:9001", "127.0.0.1:8080:8080"]


def test_label_studio_gets_the_same_settings(servers: dict[str, Any]) -> None:
    given = servers["label-studio"]["environment"]
    # The log level makes our own logs short; docker keeps its own.
    wanted = label_studio_server.QUIET | label_studio_server.ACCESS | label_studio_server.ZONE
    assert {name: given.get(name) for name in wanted if name != "LOG_LEVEL"} == {
        name: value for name, value in wanted.items() if name != "LOG_LEVEL"
    }


def test_the_sample_env_is_complete_and_points_at_these_servers(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text((ROOT / ".env.sample").read_text())
    path.chmod(0o600)
    loaded = settings.load(tmp_path)
    assert (loaded.s3_endpoint, loaded.label_studio_url) == ("http://127.0.0.1:9000", "http://127.0.0.1:8080")
    assert all(settings.is_external(tmp_path, service) for service in settings.SERVICES)
