"""The recordings of an import: found, checked as Label Studio's page reads them, and uploaded.

A file that the page would misread is converted where that is lossless; else it is left out, with the line and the
cure.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from pipelines.import_.result import Finding, ImportResult
from storage.files import md5, write_bytes
from storage.label_studio.label_config import LabelConfig
from storage.progress import track
from storage.project import Project
from storage.project_files import tasks_file
from storage.remote.remote import Remote
from storage.s3.bucket import parallel
from storage.s3.mirror import Content
from storage.series import discovery, recording, recording_reader
from storage.series.validation import Problem

# Converted recordings, from the check to the upload.
REWRITTEN = Path(".labeltrail/import/rewritten")


def find(path: str, done: ImportResult) -> dict[str, Path]:
    """Recordings by series key: in a folder by their path in it, otherwise by their name.

    Findings list what was left out, by kind.

    Raises:
        InputError: there is none, or a pattern finds two of one name.
    """
    found, left = discovery.find(path)
    done.findings += [Finding(out.where, out.what, out.cure, out.fatal) for out in left]
    return found


def check(files: dict[str, Path], config: LabelConfig, done: ImportResult, root: Path) -> dict[str, Path]:
    """The recordings that can be used, by series key: the file, or one below `root` that is to be stored for it."""
    shutil.rmtree(root / REWRITTEN, ignore_errors=True)
    good, rates = {}, {}
    for key, file in track(files.items(), "checking recordings", len(files)):
        try:
            found = recording_reader.examine(file, config)
        except OSError as error:
            what = f"cannot be read: {error.strerror}"
            found = recording_reader.Examined(None, [Problem(None, what, "check the file", fatal=True)])
        for problem in found.problems:
            where = f"{file}:{problem.row}" if problem.row else str(file)
            done.findings.append(Finding(where, problem.what, problem.cure, problem.fatal))
        if found.series is None:
            done.refused += 1
            continue
        good[key], rates[key] = file, recording.sampling_rate(found.series.times)
        if found.stored is not None:
            good[key] = root / REWRITTEN / f"{key}.csv"
            write_bytes(good[key], found.stored)
    usual, others = recording.different_rates(rates)
    for key, rate in others.items():
        what = f"sampled at {rate:g} Hz, most others at {usual:g} Hz"
        cure = "resample it, or keep it in a project of its own"
        done.findings.append(Finding(str(files[key]), what, cure, False))
    return good


def outcomes(remote: Remote, good: dict[str, Path]) -> dict[str, str]:
    """`added`, `changed` or `unchanged` by recording; writes nothing."""
    versions = {key: etag for key, etag in remote.series().items() if key in good}
    hashes = {key: md5(path) for key, path in good.items()}
    there = remote.contents(versions, {key: {known} for key, known in hashes.items()})
    return {
        key: "added" if key not in there else "unchanged" if there[key] == known else "changed"
        for key, known in hashes.items()
    }


def count(found: dict[str, str], done: ImportResult) -> None:
    """Tell the outcomes."""
    numbers = Counter(found.values())
    done.added, done.changed, done.unchanged = (numbers[k] for k in ("added", "changed", "unchanged"))


def upload(
    project: Project, good: dict[str, Path], data: dict[str, dict[str, Any]], done: ImportResult
) -> None:
    """Put recordings that are new or changed, then the task of each that has none."""
    remote = project.remote
    found = outcomes(remote, good)

    def put(key: str) -> Content:
        return remote.put_recording(key, good[key].read_bytes())

    wanted = [key for key, outcome in found.items() if outcome != "unchanged"]
    project.mirror.note_contents(list(track(parallel(put, wanted), "uploading", len(wanted))))
    count(found, done)
    have = {item.key for item in project.bucket.objects(remote.tasks_prefix)}
    missing = [key for key in good if f"{remote.tasks_prefix}{key}.json" not in have]
    # The work tree's task data wins over the export's.
    known = tasks_file.read(project.root / tasks_file.PATH)
    for _ in parallel(lambda key: remote.put_task(key, data.get(key, known.get(key, {}))), missing):
        pass
