"""A lab whose two servers can be put behind proxies, while edits go straight to Label Studio."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from storage.label_studio.client import LabelStudio
from storage.label_studio.session import Session
from storage.project import Project
from storage.s3 import client
from storage.s3.bucket import Bucket
from storage.settings import write_env_file
from tests.conftest import Lab
from tests.support.proxy import CALM, Faults, Proxy, standing_before


@dataclass(frozen=True)
class Stormy:
    """What stands between a lab and its servers.

    Attributes:
        studio, bucket: the servers themselves, past the proxies.
        s3, api: the proxies.
    """

    studio: LabelStudio
    bucket: Bucket
    s3: Proxy
    api: Proxy

    def weather(self, faults: Faults) -> None:
        """Change both proxies."""
        self.s3.faults = self.api.faults = faults


@contextmanager
def storm(lab: Lab, seed: int = 0) -> Iterator[Stormy]:
    """Put a lab behind two proxies, calm at first; all timeouts are short."""
    settings, studio, bucket = lab.project.settings, lab.project.studio, lab.project.bucket
    with ExitStack() as stack:
        s3, api = (
            stack.enter_context(standing_before(url, seed))
            for url in (settings.s3_endpoint, settings.label_studio_url)
        )
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(client, "READ_TIMEOUT_S", 1.5)
        patch.setattr(client, "PROBE_TIMEOUT_S", 1.5)
        real = Session._request_with_retry
        patch.setattr(
            Session,
            "_request_with_retry",
            lambda *a, **content: real(*a, **content | {"timeout": (1.0, 4.0)}),
        )
        write_env_file(lab.project.root, {"AWS_ENDPOINT_URL": s3.url, "LABEL_STUDIO_URL": api.url})
        lab.project = Project(lab.project.root)
        lab.project.configure_remote()
        dvc = lab.project.root / ".dvc/config.local"
        dvc.write_text(
            re.sub(r"(_timeout) = \d+", r"\1 = 2", dvc.read_text(encoding="utf-8")), encoding="utf-8"
        )
        stormy = Stormy(studio, bucket, s3, api)
        yield stormy
        stormy.weather(CALM)
