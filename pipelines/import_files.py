"""The recordings of an import: found, checked against the label config, and put into the bucket."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from pipelines.imported import Finding, Imported
from storage import series, tasks
from storage.bucket import parallel
from storage.files import md5, md5_bytes
from storage.label_config import LabelConfig
from storage.mirror import Content
from storage.problems import Problem
from storage.progress import track
from storage.project import Project


def find(path: str) -> dict[str, Path]:
    """Recordings by series key: in a folder by their path in it, otherwise by their name.

    Raises:
        InputError: there is none, or two have the same key.
    """
    return series.find(path)


def check(files: dict[str, Path], config: LabelConfig, done: Imported) -> dict[str, Path]:
    """The recordings that can be used, by series key."""
    good, rates = {}, {}
    for key, file in track(files.items(), "checking recordings", len(files)):
        try:
            found, problems = series.inspect(file, config)
        except OSError as error:
            found, problems = (
                None,
                [Problem(None, f"cannot be read: {error.strerror}", "check the file", fatal=True)],
            )
        for problem in problems:
            where = f"{file}:{problem.row}" if problem.row else str(file)
            done.findings.append(Finding(where, problem.what, problem.cure, problem.fatal))
        if found is None:
            done.refused += 1
            continue
        good[key], rates[key] = file, series.sampling_rate(found.times)
    usual, others = series.different_rates(rates)
    for key, rate in others.items():
        what = f"sampled at {rate:g} Hz, most others at {usual:g} Hz"
        done.findings.append(
            Finding(str(good[key]), what, "resample it, or keep it in a project of its own", False)
        )
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
    done.added, done.changed, done.unchanged = (outcomes[k] for k in ("added", "changed", "unchanged"))
    have = {item.key for item in project.bucket.objects(remote.tasks_prefix)}
    missing = [key for key in good if f"{remote.tasks_prefix}{key}.json" not in have]
    # What the work tree knows of a series goes before what an export says.
    known = tasks.read(project.root / tasks.PATH)
    for _ in parallel(lambda key: remote.put_task(key, known.get(key, data.get(key, {}))), missing):
        pass
