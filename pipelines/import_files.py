"""The recordings of an import: found, checked as Label Studio's page reads them, and put into the bucket.

A file that the page would misread is put there as the page reads it, where the same table can be written so; else it
is left out, with the line and the cure. The others go on.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from pipelines.imported import Finding, Imported
from storage import series, series_files, tasks
from storage.bucket import parallel
from storage.files import md5, md5_bytes, write_bytes
from storage.label_config import LabelConfig
from storage.mirror import Content
from storage.problems import Problem
from storage.progress import track
from storage.project import Project

# Recordings as they are stored, where that is not as they are: from the check to the upload.
REWRITTEN = Path(".labeltrail/import/rewritten")


def find(path: str, done: Imported) -> dict[str, Path]:
    """Recordings by series key: in a folder by their path in it, otherwise by their name.

    What was left out is told in the findings, by kind.

    Raises:
        InputError: there is none, or a pattern finds two of one name.
    """
    found, left = series_files.find(path)
    done.findings += [Finding(out.where, out.what, out.cure, out.fatal) for out in left]
    return found


def check(files: dict[str, Path], config: LabelConfig, done: Imported, root: Path) -> dict[str, Path]:
    """The recordings that can be used, by series key: the file, or one below `root` that is to be stored for it."""
    shutil.rmtree(root / REWRITTEN, ignore_errors=True)
    good, rates = {}, {}
    for key, file in track(files.items(), "checking recordings", len(files)):
        try:
            found = series.examine(file, config)
        except OSError as error:
            what = f"cannot be read: {error.strerror}"
            found = series.Examined(None, [Problem(None, what, "check the file", fatal=True)])
        for problem in found.problems:
            where = f"{file}:{problem.row}" if problem.row else str(file)
            done.findings.append(Finding(where, problem.what, problem.cure, problem.fatal))
        if found.series is None:
            done.refused += 1
            continue
        good[key], rates[key] = file, series.sampling_rate(found.series.times)
        if found.stored is not None:
            good[key] = root / REWRITTEN / f"{key}.csv"
            write_bytes(good[key], found.stored)
    usual, others = series.different_rates(rates)
    for key, rate in others.items():
        what = f"sampled at {rate:g} Hz, most others at {usual:g} Hz"
        cure = "resample it, or keep it in a project of its own"
        done.findings.append(Finding(str(files[key]), what, cure, False))
    return good


def upload(project: Project, good: dict[str, Path], data: dict[str, dict[str, Any]], done: Imported) -> None:
    """Put recordings that are new or changed, then the task of each that has none."""
    remote = project.remote
    versions = {key: etag for key, etag in remote.series().items() if key in good}
    there = remote.contents(versions, {key: {md5(path)} for key, path in good.items()})

    def put(key: str) -> tuple[str, Content | None]:
        content = good[key].read_bytes()
        if there.get(key) == md5_bytes(content):
            return "unchanged", None
        return "changed" if key in there else "added", remote.put_recording(key, content)

    found = list(track(parallel(put, good), "uploading", len(good)))
    project.mirror.note_contents(content for _, content in found if content)
    outcomes = Counter(outcome for outcome, _ in found)
    shutil.rmtree(project.root / REWRITTEN, ignore_errors=True)
    done.added, done.changed, done.unchanged = (outcomes[k] for k in ("added", "changed", "unchanged"))
    have = {item.key for item in project.bucket.objects(remote.tasks_prefix)}
    missing = [key for key in good if f"{remote.tasks_prefix}{key}.json" not in have]
    # What the work tree knows of a series goes before what an export says.
    known = tasks.read(project.root / tasks.PATH)
    for _ in parallel(lambda key: remote.put_task(key, known.get(key, data.get(key, {}))), missing):
        pass
