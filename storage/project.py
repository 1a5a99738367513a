"""A project: a clone with its settings, repository, bucket and Label Studio."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from storage import settings
from storage.label_studio import label_config
from storage.label_studio.client import LabelStudio
from storage.label_studio.label_config import LabelConfig
from storage.network import loopback
from storage.paths import MIRROR
from storage.remote.remote import Remote
from storage.repo.git import find_root, prefix_of
from storage.repo.repository import Repository
from storage.s3.bucket import Bucket
from storage.s3.mirror import Mirror


class Project:
    """The parts of a project, each opened on first use.

    Args:
        root: the clone's top folder.
        is_dry: a dry run: nothing is written to the bucket, Label Studio or the clone; the mirror is a copy, and new
            objects of the DVC cache stay in memory.
    """

    def __init__(self, root: Path, *, is_dry: bool = False) -> None:
        self.root, self.is_dry = root, is_dry
        loopback.bypass_proxies()

    def dry(self) -> Project:
        """The same project for a dry run."""
        return self if self.is_dry else Project(self.root, is_dry=True)

    @classmethod
    def here(cls) -> Project:
        """The project of the current folder."""
        return cls(find_root(Path.cwd()))

    @cached_property
    def settings(self) -> settings.Settings:
        """Addresses and credentials, from the environment and `.env`."""
        return settings.load(self.root)

    @cached_property
    def repository(self) -> Repository:
        """git and DVC."""
        return Repository(self.root, dry=self.is_dry)

    @cached_property
    def bucket(self) -> Bucket:
        """The bucket."""
        return Bucket(self.settings, read_only=self.is_dry)

    @cached_property
    def studio(self) -> LabelStudio:
        """Label Studio, as the user of the settings."""
        return LabelStudio.of(self.settings, read_only=self.is_dry)

    @cached_property
    def mirror(self) -> Mirror:
        """The cache of the bucket."""
        return Mirror(self.root / MIRROR, scratch=self.is_dry)

    @cached_property
    def label_config(self) -> LabelConfig:
        """The label config of the work tree."""
        return label_config.load(self.root / label_config.PATH)

    @cached_property
    def remote(self) -> Remote:
        """The current branch in bucket and Label Studio."""
        return self.remote_at(prefix_of(self.repository.git.branch()), self.label_config.data_key)

    def remote_at(self, prefix: str, data_key: str = "") -> Remote:
        """Any branch in bucket and Label Studio, by its prefix; `data_key` is needed only for its tasks."""
        return Remote(self.bucket, self.studio, self.mirror, prefix, data_key)

    def forget_branch(self) -> None:
        """Reload what depends on the current branch: another command may have switched it."""
        for name in ("remote", "label_config"):
            self.__dict__.pop(name, None)

    def configure_remote(self) -> None:
        """Create the bucket if it does not exist, and configure it as the DVC remote of this clone."""
        self.bucket.create()
        options = {
            "endpointurl": self.settings.s3_endpoint,
            "access_key_id": self.settings.access_key_id,
            "secret_access_key": self.settings.secret_access_key.get_secret_value(),
            "region": self.settings.region,
        }
        # Seconds; DVC's default is a minute, with five attempts.
        timeouts = {"connect_timeout": "5", "read_timeout": "20"}
        self.repository.configure(self.bucket.url("dvc"), options, timeouts)
