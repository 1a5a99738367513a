"""Lineage: from a model version to the model, its label commit, annotations and recordings.

It follows from git and DVC: `dvc.lock` of each commit has the hash of the best model, the model's provenance has the
hash of its labels, and the label commit is the first one with that hash.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from storage.errors import InputError, NotFoundError
from storage.files import md5
from storage.labels.label_store import records
from storage.labels.snapshot import Record
from storage.paths import LOCK, SERIES
from storage.progress import note
from storage.repo.dvc_lock import Lock
from storage.repo.git import Git, LabelCommit
from storage.repo.repository import Repository
from storage.text import typed
from storage.text.json_text import parse_json

BEST = "data/best"
FILES = ("provenance.json", "model.json")
VERSION = re.compile(r"^[a-z-]+-[0-9a-f]{7}-([0-9a-f]{8})$")
HASH = re.compile(r"^[0-9a-f]{6,32}$")
Form = TypeVar("Form")


@dataclass(frozen=True)
class Model:
    """A model that is or was the best model.

    Attributes:
        hash: of weights and model.json.
        kind: `lstm`.
        labels: hash of the label snapshot it was trained on.
        series: hash of the folder of recordings.
        params: by section.
        annotations: record ids by series.
        start: hash of the model it was started from; "" of one that was trained from scratch.
        earlier: ids of the records that only that model was trained on, by series.
        folder: DVC's hash of its folder.
        code: first commit with it in `dvc.lock`; "" where there is none yet.
    """

    hash: str
    kind: str
    labels: str
    series: str
    params: dict[str, Any]
    annotations: dict[str, list[str]]
    start: str
    earlier: dict[str, list[str]]
    folder: str
    code: str

    def was_trained_on(self, record: Record) -> bool:
        """Whether it, or a model that it was started from, was trained on an annotation."""
        return any(record["id"] in ids.get(record["series"], ()) for ids in (self.annotations, self.earlier))


@dataclass(frozen=True)
class Lineage:
    """The complete lineage of a model.

    Attributes:
        model: the model.
        version: model version of its predictions in Label Studio.
        commit: the label commit; None where the labels were never committed.
        annotators: number of annotations by annotator.
        annotations: the records it was trained on, by series.
        recordings: MD5 by series key.
    """

    model: Model
    version: str
    commit: LabelCommit | None
    annotators: dict[str, int] = field(default_factory=dict)
    annotations: dict[str, list[Record]] = field(default_factory=dict)
    recordings: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """For `--json`; with the number of regions."""
        return {
            "model": self.model.hash,
            "model_version": self.version,
            "label_commit": self.commit and {"commit": self.commit.commit, "subject": self.commit.subject},
            "labels": self.model.labels,
            "code_commit": self.model.code or None,
            "start": self.model.start or None,
            "params": self.model.params,
            "annotators": self.annotators,
            "annotations": [
                {"id": r["id"], "series": key, "annotator": r["annotator"], "regions": len(r["result"])}
                for key, records in self.annotations.items()
                for r in records
            ],
            "series": self.recordings,
        }


def models(repository: Repository) -> list[Model]:
    """Every best model, newest first; first the work tree's where it is not committed yet."""
    by_hash: dict[str, Model] = {}
    # The log is newest first, so the oldest commit of each stays.
    folders = {lock.best: commit for commit, lock in locks(repository.git, "HEAD") if lock.best}
    for folder, commit in folders.items():
        try:
            model = _model(_files(repository, folder), folder, commit)
        except NotFoundError:
            continue  # deleted by `dvc gc`
        except InputError as error:
            note(f"{error.where} was left out: {error.why}")
            continue
        by_hash.setdefault(model.hash, model)
    best = repository.root / BEST
    if all((best / name).is_file() for name in FILES):
        model = _model({name: (best / name).read_bytes() for name in FILES}, md5(best), "")
        if model.hash not in by_hash:
            return [model, *by_hash.values()]
    return list(by_hash.values())


@dataclass(frozen=True)
class CurrentBest:
    """The best model of the work tree.

    Attributes:
        model: in `data/best`, or in the work tree's `dvc.lock` where that is not checked out.
        committed: whether it is in the `dvc.lock` of HEAD.
        locked: whether it is in that of the work tree.
    """

    model: Model
    committed: bool
    locked: bool


def current_best(repository: Repository) -> CurrentBest | None:
    """The current best model, committed or not; None where there is none.

    Raises:
        NotFoundError: it is only in `dvc.lock`, and neither cache nor remote has it.
    """
    locked = Lock.read(repository.root).best
    best = repository.root / BEST
    if all((best / name).is_file() for name in FILES):
        folder, data = md5(best), {name: (best / name).read_bytes() for name in FILES}
    elif locked:
        folder, data = locked, _files(repository, locked)
    else:
        return None
    committed = Lock.parse(repository.git.show("HEAD", LOCK) or "", f"{LOCK} of HEAD").best
    return CurrentBest(_model(data, folder, ""), folder == committed, folder == locked)


def model_in(repository: Repository, folder: str) -> str:
    """Hash of the model in a folder in DVC, given by the folder's hash; reads only its provenance.

    Raises:
        NotFoundError: neither cache nor remote has it.
        ServiceError: the cache lacks it, and the remote cannot be reached.
    """
    origin = repository.folder(folder)["provenance.json"]
    return str(json.loads(repository.read([origin])[origin])["model"])


def find_models(repository: Repository, name: str) -> list[Model]:
    """Models that match a model version, a hash or the beginning of one, newest first."""
    start = hash_in(name)
    return [model for model in models(repository) if start and model.hash.startswith(start)]


def hash_in(name: str) -> str:
    """The hash in a model version, or the name itself where it is a hash or the beginning of one; else ""."""
    matched = VERSION.match(name)
    return matched[1] if matched else name if HASH.match(name) else ""


@dataclass(frozen=True)
class LabelBest:
    """The best model of a label commit.

    Attributes:
        lock: the `dvc.lock` with it.
        commit: the commit of that.
        reason: why it was chosen.
    """

    lock: Lock
    commit: str
    reason: str


def best_of(repository: Repository, labels: str, revisions: Iterable[str]) -> LabelBest | None:
    """The best model of these labels: the best model of the last run of the stages on them.

    Else a best model that was trained on them; else the best model while they were the newest labels.

    Args:
        repository: the clone.
        labels: hash of a label snapshot.
        revisions: their histories are searched.
    """
    known = [(commit, lock) for commit, lock in locks(repository.git, *revisions) if lock.best]
    for commit, lock in known:
        if lock.labels == labels:
            return LabelBest(lock, commit, "it was best when the stages ran on these labels")
    for model in models(repository):
        first = dict(known).get(model.code)
        if first and model.labels == labels:
            return LabelBest(first, model.code, "it was trained on these labels")
    commit = _last_commit_with(repository.git, labels, revisions)
    text = repository.git.show(commit, LOCK) if commit else None
    last = Lock.of_history(text, commit) if text else None
    if last and last.best:
        return LabelBest(last, commit, "it was best at that label commit, which nobody trained on")
    return None


def locks(git: Git, *revisions: str) -> Iterator[tuple[str, Lock]]:
    """Every commit of these histories that changed `dvc.lock`, with that file; newest first.

    Invalid ones, for example with conflict markers, are left out with a note.
    """
    commits = git.run("log", "--format=%H", *revisions, "--", LOCK).split()
    texts = git.contents(f"{commit}:{LOCK}" for commit in commits)
    for commit, text in zip(commits, texts, strict=True):
        if text is not None and (lock := Lock.of_history(text, commit)):
            yield commit, lock


def _last_commit_with(git: Git, labels: str, revisions: Iterable[str]) -> str:
    """The last commit with these labels; "" where there is none."""
    for revision in revisions:
        last = git.resolve(revision)
        for label_commit in git.label_commits(last):
            if label_commit.labels == labels:
                return last
            last = f"{label_commit.commit}^"
    return ""


def trace(repository: Repository, model: Model) -> Lineage:
    """The lineage of a model: label commit, annotations, annotators and recordings.

    Raises:
        NotFoundError: the label snapshot is neither in the DVC cache nor in its remote.
        InputError: this is a shallow clone, which may lack the label commit.
    """
    repository.git.require_whole_history()
    commits = reversed(list(repository.git.label_commits()))
    commit = next((c for c in commits if c.labels == model.labels), None)
    wanted = {name for names in model.annotations.values() for name in names}
    annotations: dict[str, list[Record]] = {}
    annotators: dict[str, int] = {}
    for record in records(repository, model.labels):
        if record["id"] in wanted:
            annotations.setdefault(record["series"], []).append(record)
            annotators[record["annotator"]] = annotators.get(record["annotator"], 0) + 1
    files = repository.folder(model.series, SERIES)
    recordings = {name.removesuffix(".csv"): md5 for name, md5 in files.items()}
    return Lineage(
        model=model,
        version=f"{model.kind}-{commit.commit[:7]}-{model.hash[:8]}" if commit else "",
        commit=commit,
        annotators=dict(sorted(annotators.items())),
        annotations=dict(sorted(annotations.items())),
        recordings={key: recordings[key] for key in sorted(recordings)},
    )


def _files(repository: Repository, folder: str) -> dict[str, bytes]:
    """Provenance and header of a model, from its folder in DVC's cache or remote."""
    listing = repository.folder(folder)
    data = repository.read([listing[name] for name in FILES])
    return {name: data[listing[name]] for name in FILES}


def _model(files: dict[str, bytes], folder: str, code: str) -> Model:
    where = f"{BEST} of {code[:12]}" if code else BEST
    origin = _read(f"{where}/{FILES[0]}", files[FILES[0]], _Origin)
    kind = _read(f"{where}/{FILES[1]}", files[FILES[1]], _Kind).kind
    fields = {name: value for name, value in vars(origin).items() if name != "model"}
    return Model(hash=origin.model, kind=kind, folder=folder, code=code, **fields)


@dataclass(frozen=True)
class _Origin:
    """Required keys of `provenance.json`, also of one that an older Labeltrail wrote."""

    model: str
    labels: str
    series: str
    params: dict[str, Any]
    annotations: dict[str, list[str]]
    start: str = ""
    earlier: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Kind:
    """Required keys of `model.json`."""

    kind: str


def _read(where: str, data: bytes, form: type[Form]) -> Form:
    cure = f"dvc checkout --force {BEST}"
    try:
        value = parse_json(where, data)
    except InputError as error:
        raise InputError(f"{where} {error.what}", where=where, why=error.why, cure=cure) from error
    return typed.check(form, value, where, cure)
