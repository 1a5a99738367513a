"""`labeltrail import`: recordings, and if given a Label Studio export, into the project.

Every recording is checked against the label config before anything is uploaded. A bad one is named with its row
and the cure, and the others go on. What is there already is left alone, so running it again changes nothing.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pipelines import import_files
from pipelines.imported import Finding, Imported, refuse_all
from storage import carried, export, label_config, label_config_xml, shared_config, theirs
from storage.errors import InputError
from storage.export import ExportedTask
from storage.files import write_bytes
from storage.label_config import LabelConfig
from storage.progress import track
from storage.project import Project
from storage.snapshot import Record
from storage.state import State

CARRIED = Path(".labeltrail/import")
WRITERS = 4  # annotations sent at the same time; more gains nothing on Label Studio's SQLite


def import_recordings(
    project: Project, path: str, labels: Path | None = None, config_file: Path | None = None
) -> Imported:
    """Bring recordings, and if given an export, into bucket and Label Studio.

    Args:
        project: where to.
        path: a folder (searched for `*.csv`), a glob pattern, or a file; a `.json` file is an export that brings
            its recordings along, as columns or http(s) addresses.
        labels: a Label Studio JSON export of these recordings.
        config_file: the label config; by default the project's, else one made from the export.

    Raises:
        InputError: no recording was found, or none is good, or there is no label config.
    """
    done = Imported()
    if path.endswith(".json"):
        exported = export.read(Path(path))
        files = _carried(project, exported, done)
    else:
        files = import_files.find(path, done)
        exported = export.read(labels) if labels else []
    config = _label_config(project, config_file, exported, next(iter(files.values())))
    good = import_files.check(files, config, done, project.root)
    if not good:
        refuse_all(done)
    data = {key: found[0].data for key, found in export.match(exported, good).items() if key}
    state = _ensure_project(project)
    import_files.upload(project, good, data, done)
    # Only now: Label Studio refuses a source storage whose prefix is still empty.
    prefixes = (project.remote.tasks_prefix, project.remote.annotations_prefix)
    source, _ = project.studio.ensure_storages(state.project, project.settings, *prefixes)
    project.studio.sync_source(source)
    if exported:
        _annotate(project, state, export.match(exported, good), config, done)
    done.url = f"{project.studio.url}/projects/{state.project}/data"
    return done


# -- files ----------------------------------------------------------------------------------------


def _carried(project: Project, exported: list[ExportedTask], done: Imported) -> dict[str, Path]:
    """The recordings that an export brings along, as files; an error where none of them can be had."""
    found = carried.write(exported, project.root / CARRIED)
    done.findings += [Finding(name, f"{e.what}: {e.why}", e.cure, True) for name, e in found.lost]
    done.refused += len(found.lost)
    if not found.files:
        refuse_all(done)
    return found.files


def _label_config(
    project: Project, config_file: Path | None, exported: list[ExportedTask], example: Path
) -> LabelConfig:
    path = project.root / label_config.PATH
    if config_file:
        try:
            text = config_file.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(
                "the label config cannot be read", where=str(config_file), why=str(error)
            ) from error
        if label_config.parse(text, str(config_file)).inline:
            text = label_config_xml.by_address(text)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_bytes(path, text.encode())
    elif exported and not path.exists():
        with example.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
        write_bytes(path, export.label_config(exported, header).encode())
    return label_config.load(path)


# -- bucket and Label Studio ----------------------------------------------------------------------


def _ensure_project(project: Project) -> State:
    """The branch's Label Studio project; made where it is not there yet."""
    remote, studio = project.remote, project.studio
    project.bucket.create()
    text = (project.root / label_config.PATH).read_text(encoding="utf-8")
    state = remote.state()
    if state is None:
        # The description says whose project it is, so that a run that was cut off finds it again.
        title = f"{project.root.name} {remote.prefix}"
        made = studio.marked(project.bucket.url(remote.prefix))
        number = made[0] if made else studio.create_project(title, remote.mark, text)
        state = remote.write_state(State(number))
    held = str(remote.project(state)["label_config"])
    # One that people changed in Label Studio since the last sync is theirs: the next sync brings both together.
    if held != text and state.label_config in ("", shared_config.digest(held)):
        studio.update_project(state.project, label_config=text)
    return state


# -- annotations ----------------------------------------------------------------------------------


def _annotate(
    project: Project,
    state: State,
    matched: dict[str, list[ExportedTask]],
    config: LabelConfig,
    done: Imported,
) -> None:
    """Submit the export's annotations that are not there yet and fit the label config."""
    remote = project.remote
    theirs.look(project.repository, remote, state, remote.project(state))
    held = (row.value["record"] for row in remote.annotations.rows() if row.value is not None)
    there = Counter(_content(record) for record in held)
    ids = {str(task.data.get("series")): task.id for task in project.studio.tasks(state.project)}
    users = {email: user for user, email in project.studio.users().items()}
    for task in matched.pop("", []):
        cure = "import its recording too, or mend the address"
        done.findings.append(Finding(task.name, "none of the recordings is its", cure, True))
    wanted: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for key, found in sorted(matched.items()):
        for task in found:
            if task.predictions:
                what = f"its {task.predictions} prediction(s) were left out: the model makes new ones"
                done.findings.append(Finding(task.name, what, "dvc repro", False))
            for annotation in _fitting(task, config, done):
                content = _content({**annotation, "series": key})
                if there[content]:
                    there[content] -= 1
                    done.known += 1
                else:
                    wanted[ids[key]].append(_body(annotation, users))

    def submit(task: int) -> int:
        for body in wanted[task]:  # one after the other: of one annotator's the newest counts
            project.studio.annotate(task, **body)
        return len(wanted[task])

    with ThreadPoolExecutor(WRITERS) as pool:
        done.annotations = sum(track(pool.map(submit, wanted), "submitting annotations", len(wanted)))


def _fitting(task: ExportedTask, config: LabelConfig, done: Imported) -> Iterable[dict[str, Any]]:
    for annotation in task.annotations:
        problems = export.problems(annotation, config)
        if problems:
            where = f"{task.name}, annotation {annotation.get('id')}"
            what = problems[0] if len(problems) == 1 else f"{problems[0]} (and {len(problems) - 1} more)"
            done.findings.append(
                Finding(where, what, "mend the label config or the export, then import again", True)
            )
        else:
            yield annotation


def _body(annotation: dict[str, Any], users: dict[str, int]) -> dict[str, Any]:
    body = {
        key: annotation[key] for key in ("was_cancelled", "ground_truth", "lead_time") if annotation.get(key)
    }
    person = annotation.get("completed_by")
    email = person.get("email") if isinstance(person, dict) else person
    if email in users:
        body["completed_by"] = users[email]
    return body | {"result": annotation.get("result") or []}


def _content(record: Record) -> str:
    """What makes two annotations of one series the same, whoever made them."""
    facts = (record["series"], record.get("result") or [], bool(record.get("was_cancelled")))
    return json.dumps(facts, sort_keys=True)
