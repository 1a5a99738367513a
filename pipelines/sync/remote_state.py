"""The sides of a sync as values: the input of a plan.

A project may have a million annotations, so large parts are read on demand, one shard at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from storage.labels.label_store import NO_SHARDS, Shards
from storage.remote import reconcile
from storage.remote.sync_state import State
from storage.s3.mirror import Row


@dataclass(frozen=True)
class Side:
    """State of the work tree, or the common state of both sides at an earlier sync.

    Attributes:
        labels: the label snapshot.
        series: MD5 of each recording by series key.
        config: text of the label config; None where it is not compared.
    """

    labels: Shards = NO_SHARDS
    series: Mapping[str, str] = field(default_factory=dict)
    config: str | None = None


class RemoteAnnotations(Protocol):
    """The annotations in the bucket, as rows with their records."""

    def key(self, number: int) -> str:
        """Key of the object of an annotation."""

    def at(self, keys: Collection[str]) -> list[Row]:
        """The objects with these keys, of those that there are."""

    def of_shard(self, name: str) -> list[Row]:
        """The annotations of one shard of the label snapshot."""

    def shards(self) -> set[str]:
        """Names of all shards that some annotation is in."""


@dataclass(frozen=True)
class Accounts:
    """Accounts in Label Studio, requested only where annotations may have been created again.

    Attributes:
        emails: e-mail addresses of all accounts.
        owner: e-mail address of the account that the token belongs to.
    """

    emails: Callable[[], Collection[str]]
    owner: Callable[[], str]


@dataclass(frozen=True)
class RemoteState:
    """State of bucket and Label Studio.

    Attributes:
        state: `sync.json`: the last sync.
        agreed: the label snapshot of that sync.
        annotations: those in the bucket.
        accounts: of Label Studio.
        compared: how bucket and Label Studio differ; nothing of it has been written yet.
        count: how many annotations there are.
        known: bucket and label commit were equal in this clone as of `sync.json`: only `moved` can differ.
        moved: number and record id of the annotations that changed since, by shard and key; "": other objects.
        series: ETag of each recording by series key; None where only named annotations were fetched.
        recordings: MD5 of each recording by series key; None where they are not compared.
        config: text of the label config; None where only named annotations were fetched.
        settings_page: where people change the label config.
        invalid: rows of invalid objects: those of tasks were set aside, the others stay.
        unchanged: nothing has changed there since the last sync.
    """

    state: State
    agreed: Shards
    annotations: RemoteAnnotations
    accounts: Accounts
    compared: reconcile.Discrepancies = field(default_factory=reconcile.Discrepancies)
    count: int = 0
    known: bool = False
    moved: Mapping[str, Mapping[str, tuple[int, str]]] = field(default_factory=dict)
    series: Mapping[str, str] | None = None
    recordings: Mapping[str, str] | None = None
    config: str | None = None
    settings_page: str = ""
    invalid: Iterable[Row] = ()
    unchanged: bool = False

    @property
    def aside(self) -> list[tuple[str, str]]:
        """Key and reason of the invalid objects."""
        return [(row.key, row.problem) for row in self.invalid]
