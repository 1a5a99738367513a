"""`labeltrail doctor`: check servers, storages, label config, git and DVC, with the cure of what fails.

The checks do what the other commands do: they put, get, list, delete and sign in the bucket, call Label Studio with
the token and have it validate its storages, read the recordings with the label config, and look for every object that
the pointers in git refer to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.fsck import fsck
from pipelines.result import Result
from pipelines.sync import merge_base, unknown_labels
from pipelines.sync.shared_label_config import are_same
from storage.errors import DamagedError, InputError, LabeltrailError, NotFoundError, ServiceError
from storage.label_studio import label_config
from storage.label_studio.client import VERSION
from storage.labels import git_drivers, label_store, references
from storage.labels.label_changes import plural
from storage.paths import LABELS, SERIES
from storage.printable import argument
from storage.progress import track
from storage.project import Project
from storage.project_files import splits_file
from storage.remote.sync_state import State
from storage.repo import git_hooks, integrity, stray_code
from storage.repo.object_errors import describe
from storage.s3.keys import DVC_OBJECTS
from storage.series import recording_reader

SHOWN = 5  # missing objects, or files of code, that are listed
# Where an error of a server names no command but `labeltrail doctor`.
CURES = {
    "bucket": "fix AWS_ENDPOINT_URL, AWS_REGION or LABELTRAIL_BUCKET where they are set (.env or the environment)",
    "Label Studio": "fix LABEL_STUDIO_URL where it is set (.env or the environment): another program responds there, "
    "or the path in it is wrong",
}


@dataclass(frozen=True)
class Check(Result):
    """One check.

    Attributes:
        passed: None where a check that it depends on failed.
        detail: what was found, or what, where and why it failed.
        cure: the next command, where it failed.
    """

    name: str
    passed: bool | None
    detail: str
    cure: str = ""

    def lines(self) -> list[str]:
        mark = {True: "ok    ", False: "FAILED", None: "-     "}[self.passed]
        text = [f"{mark} {self.name:<14} {self.detail}"]
        return [*text, f"       {'next':<14} {self.cure}"] if self.cure else text


def examine(project: Project, *, deep: bool = False) -> list[Check]:
    """Run all checks; a failed one skips only those that depend on it.

    Args:
        project: the clone.
        deep: also read every byte that history refers to (pipelines/fsck.py).
    """
    checks: list[tuple[str, str, Callable[[Project], str]]] = [
        ("settings", "", _settings),
        ("bucket", "settings", _bucket),
        ("Label Studio", "settings", _studio),
        ("label config", "", _label_config),
        ("storages", "bucket, Label Studio, label config", _storages),
        ("same config", "storages", _same_config),
        ("recordings", "label config", _recordings),
        ("git", "", _git),
        ("work tree", "", _work_tree),
        ("DVC", "bucket", _dvc),
        ("labels", "DVC, label config", _labels),
        ("history", "DVC", _history),
        ("sync", "storages, DVC", _sync),
        *([("bytes", "DVC", _bytes)] if deep else []),
    ]
    results: dict[str, Check] = {}
    for name, needs, function in checks:
        missing = [need for need in needs.split(", ") if need and not results[need].passed]
        if missing:
            results[name] = Check(name, None, f"skipped: it depends on {missing[0]}")
            continue
        try:
            results[name] = Check(name, True, function(project))
        except LabeltrailError as error:
            detail = "; ".join(part for part in (error.what, error.where, error.why) if part)
            results[name] = Check(name, False, detail, _cure(name, error))
    return list(results.values())


def _cure(name: str, error: LabeltrailError) -> str:
    """The error's next command, or one for the check where the error names only `labeltrail doctor`."""
    own = error.cure.startswith("labeltrail doctor")
    return error.cure if error.cure and not own else CURES.get(name, "labeltrail up; labeltrail status")


def _settings(project: Project) -> str:
    return f"{project.settings.s3_endpoint}, {project.settings.label_studio_url}"


def _bucket(project: Project) -> str:
    operations = project.bucket.probe()
    return f"{project.bucket.url('')} at {project.bucket.endpoint}: {', '.join(operations)}"


def _studio(project: Project) -> str:
    version, person = project.studio.version(), project.studio.whoami()
    if version != VERSION:
        what, cure = "another Label Studio", f"use Label Studio {VERSION}: the API was tested with that one"
        raise ServiceError(what, where=project.studio.session.url, why=f"it is {version}", cure=cure)
    return f"{version} at {project.studio.session.url} as {person}"


def _label_config(project: Project) -> str:
    config = project.label_config
    return f"{len(config.channels)} channels, {len(config.labels)} labels"


def _state(project: Project) -> State:
    state = project.remote.state()
    if state is None:
        raise NotFoundError("this branch has no Label Studio project yet", cure="labeltrail import PATH")
    return state


def _storages(project: Project) -> str:
    state = _state(project)
    project.remote.project(state)
    sources, targets = project.studio.projects.storages(state.project)
    for kind, found, prefix in (
        ("source", sources, project.remote.tasks_prefix),
        ("target", targets, project.remote.annotations_prefix),
    ):
        in_bucket = [storage for storage in found if storage["bucket"] == project.bucket.name]
        own = [storage for storage in in_bucket if f"{storage['prefix']}/".startswith(prefix)]
        if not own:
            what = f"the project has no {kind} storage on {project.bucket.url(prefix)}"
            where = f"{project.studio.session.url}/projects/{state.project}/settings/storage"
            raise NotFoundError(what, where=where, cure="labeltrail import data/series")
        try:
            project.studio.projects.try_storage(kind, state.project, own[0])
        except LabeltrailError as error:
            cure = "labeltrail import data/series (it gives Label Studio the current credentials)"
            what = f"Label Studio cannot reach its {kind} storage"
            raise ServiceError(what, where=error.where, why=error.why, cure=cure) from error
    return f"project {state.project} reads and writes {project.bucket.url(project.remote.prefix)}"


def _same_config(project: Project) -> str:
    state = _state(project)
    theirs = str(project.remote.project(state)["label_config"])
    if not are_same((project.root / label_config.PATH).read_text(encoding="utf-8"), theirs):
        raise InputError("the label config here is not the one in Label Studio", cure="labeltrail sync")
    return "the label config is the same here and in Label Studio"


def _recordings(project: Project) -> str:
    files = sorted(path for path in (project.root / SERIES).rglob("*.csv") if path.is_file())
    for file in track(files, "reading recordings", len(files)):
        recording_reader.read(file, project.label_config)
    return f"{len(files)} recordings have the channels of the label config"


def _git(project: Project) -> str:
    repository = project.repository
    branch = repository.git.branch()
    if "user.email" not in repository.git.run("config", "--list", "--name-only").split():
        cure = 'git config user.name "YOUR NAME"; git config user.email YOU@EXAMPLE.COM'
        raise InputError("git does not know who commits", where=str(project.root), cure=cure)
    old = [*git_hooks.outdated(repository.git), *git_drivers.outdated(repository.git)]
    if old:
        raise InputError(
            "git starts programs of an earlier Labeltrail",
            where=", ".join(old),
            why="they are gone, or have DVC write whatever the bucket names",
            cure="labeltrail git-setup",
        )
    if (project.root / splits_file.EARLIER).exists():
        what = f"{splits_file.EARLIER} is called {splits_file.PATH} now"
        raise InputError(what, where=str(project.root), cure="labeltrail sync")
    changed = repository.git.changed([f"{LABELS}.dvc", f"{SERIES}.dvc"])
    if changed:
        raise InputError("label changes are not committed", where=", ".join(changed), cure="labeltrail sync")
    return f"branch {branch}, {sum(1 for _ in repository.git.label_commits())} label commits"


def _work_tree(project: Project) -> str:
    """Check for code that plain `dvc pull` or `dvc checkout` may have written: they write wherever a listing says."""
    untracked, changed = stray_code.find(project.repository.git, project.repository.cache)
    files = [*untracked, *changed]
    if files:
        cure = ["look at them"]
        cure += [f"rm -r {' '.join(map(argument, untracked))}"] if untracked else []
        cure += [f"git checkout HEAD -- {' '.join(map(argument, changed))}"] if changed else []
        raise DamagedError(
            f"{plural(len(files), 'file')} here that differ from git's, and that Python would run",
            where=", ".join(files[:SHOWN]),
            why="a plain `dvc pull` writes wherever somebody who may write to the bucket wants files",
            cure="; ".join([*cure, "and change the keys of the bucket"]),
        )
    integrity.require_listings(project.root)
    integrity.require_labels(project.root)
    return "labels and listings are those that git names, and so is the code"


def _dvc(project: Project) -> str:
    repository = project.repository
    count = 0
    for path in (LABELS, SERIES):
        folder = repository.folder(repository.pointer(path), path)
        count += len(folder)
        repository.read(folder.values())
    return f"{count} files of labels and recordings are in the cache or the remote"


def _labels(project: Project) -> str:
    repository, config = project.repository, project.label_config
    records = list(label_store.records(repository, repository.pointer(LABELS)))
    found = unknown_labels.find(records, config)
    if found:
        lines = unknown_labels.lines(found, config)
        raise InputError(
            lines[0],
            where=str(label_config.PATH),
            why="; ".join([*lines[1:], "no model is trained on what has no label"]),
            cure=unknown_labels.cure(found, config),
        )
    return f"the label config has every label of {len(records)} annotations"


def _history(project: Project) -> str:
    """List the DVC remote once, and look for all objects that the pointers of all commits refer to."""
    repository = project.repository
    objects = project.bucket.objects(DVC_OBJECTS)
    existing = {item.key.removeprefix(DVC_OBJECTS).replace("/", "") for item in objects}
    folders = dict(references.with_files(repository, references.pointer_hashes(repository.git)))
    missing = sorted(set().union(*folders.values()) - existing)
    if missing:
        described = [describe(repository.git, repository.cache, md5) or md5 for md5 in missing[:SHOWN]]
        raise NotFoundError(
            f"{len(missing)} object(s) that label commits name are not in the DVC remote",
            where="; ".join(described),
            why="another clone cannot fetch them; all others are there",
            cure="dvc push --all-commits, from a clone that has them in its cache",
        )
    return f"every label commit is in the DVC remote: {len(folders)} folders"


def _bytes(project: Project) -> str:
    found = fsck(project.dry())
    if error := found.error():
        raise error
    return found.lines()[-1]


def _sync(project: Project) -> str:
    state = _state(project)
    if (state.labels, state.series) != merge_base.pointers(project.repository):
        what = "bucket and label commit do not agree"
        raise InputError(what, where=project.remote.state_key, cure="labeltrail sync")
    return "bucket and label commit agreed at the last sync"
