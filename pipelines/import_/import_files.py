"""The recordings of an import: found, checked, and uploaded.

A file that Label Studio's page would misread is converted where that is lossless; else it is left out, and the
finding names the line and the cure.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pipelines.import_.result import Finding, ImportResult
from storage.files import md5, write_bytes
from storage.label_studio.label_config import LabelConfig
from storage.progress import track
from storage.project_files import tasks_file
from storage.remote.remote import Remote
from storage.remote.task_objects import TaskData
from storage.s3.bucket import parallel
from storage.s3.mirror import Content
from storage.series import discovery, recording, recording_reader
from storage.series.validation import Problem

# Temporary folder of converted recordings, from the check to the upload.
CONVERTED = Path(".labeltrail/import/rewritten")


def find(path: str, result: ImportResult) -> dict[str, Path]:
    """Recordings by series key: in a folder by their path in it, otherwise by their name.

    Findings list what was left out, by kind.

    Raises:
        InputError: there is none, or a pattern finds two of one name.
    """
    found, left_out = discovery.find(path)
    result.findings += [Finding(file.where, file.what, file.cure, file.fatal) for file in left_out]
    return found


def check(files: dict[str, Path], config: LabelConfig, result: ImportResult, root: Path) -> dict[str, Path]:
    """The recordings that can be used, by series key: the file, or a converted one below `root`."""
    shutil.rmtree(root / CONVERTED, ignore_errors=True)
    valid, rates = {}, {}
    for key, file in track(files.items(), "checking recordings", len(files)):
        try:
            found = recording_reader.examine(file, config)
        except OSError as error:
            what = f"cannot be read: {error.strerror}"
            found = recording_reader.Examined(None, [Problem(None, what, "check the file", fatal=True)])
        for problem in found.problems:
            where = f"{file}:{problem.row}" if problem.row else str(file)
            result.findings.append(Finding(where, problem.what, problem.cure, problem.fatal))
        if found.series is None:
            result.refused += 1
            continue
        valid[key], rates[key] = file, recording.sampling_rate(found.series.times)
        if found.stored is not None:
            valid[key] = root / CONVERTED / f"{key}.csv"
            write_bytes(valid[key], found.stored)
    usual, others = recording.different_rates(rates)
    for key, rate in others.items():
        what = f"sampled at {rate:g} Hz, most others at {usual:g} Hz"
        cure = "resample it, or keep it in a project of its own"
        result.note(str(files[key]), what, cure)
    return valid


def compare(remote: Remote, files: dict[str, Path], result: ImportResult) -> list[str]:
    """Compare recordings with those in the bucket; counts them, and returns the keys of new and changed ones."""
    versions = {key: etag for key, etag in remote.series().items() if key in files}
    hashes = {key: md5(path) for key, path in files.items()}
    existing = remote.contents(versions, {key: {known} for key, known in hashes.items()})
    added = [key for key in hashes if key not in existing]
    changed = [key for key, known in hashes.items() if existing.get(key, known) != known]
    result.added, result.changed = len(added), len(changed)
    result.unchanged = len(files) - len(added) - len(changed)
    return [*added, *changed]


def upload(root: Path, remote: Remote, files: dict[str, Path], data: TaskData, result: ImportResult) -> None:
    """Upload recordings that are new or changed, then the task of each that has none."""

    def put(key: str) -> Content:
        return remote.put_recording(key, files[key].read_bytes())

    wanted = compare(remote, files, result)
    remote.mirror.note_contents(list(track(parallel(put, wanted), "uploading", len(wanted))))
    existing = {item.key for item in remote.bucket.objects(remote.tasks_prefix)}
    missing = [key for key in files if remote.task_key(key) not in existing]
    # `data` has the export's merged with the work tree's.
    known = tasks_file.read(root / tasks_file.PATH)
    for _ in parallel(lambda key: remote.put_task(key, data.get(key, known.get(key, {}))), missing):
        pass
