"""What people do in Label Studio, at random, and what two sides hold, to be compared."""

from __future__ import annotations

import json
import random
from collections.abc import Container, Mapping
from typing import Any

from storage.label_studio.client import LabelStudio
from storage.project import Project
from storage.s3.bucket import Bucket
from tests.conftest import Lab, result

LABELS = ("walk", "run", "knock")
SERIES = ("one", "two", "three")
Facts = tuple[str, bool, bool, str]  # series, skipped, ground truth, regions


def edit(project: Project, number: int, die: random.Random, series: Container[str] = SERIES) -> None:
    """Do what a person does in a project of Label Studio, on one of these series: label, change, star, delete."""
    studio = project.studio
    tasks = [task for task in studio.tasks(number) if task.data["series"] in series]
    task = die.choice(sorted(tasks, key=lambda task: task.id))
    act = die.choice(("new", "new", "change", "star", "delete"))
    regions = result(*((die.random(), 1 + die.random(), die.choice(LABELS)) for _ in range(die.randrange(4))))
    if act == "new" or not task.annotations:
        studio.annotate(task.id, regions, was_cancelled=die.random() < 0.1)
        return
    annotation = die.choice(sorted(task.annotations))
    if act == "change":
        studio.update_annotation(annotation, result=regions)
    elif act == "star":
        studio.update_annotation(annotation, ground_truth=True)
    else:
        delete(project, annotation)


def delete(project: Project, annotation: int) -> None:
    """Delete an annotation. Label Studio may leave its object in the bucket: here it never does."""
    project.studio.delete_annotation(annotation)
    objects = project.bucket.objects("")
    project.bucket.delete([item.key for item in objects if item.key.endswith(f"/annotations/{annotation}")])


def held(studio: LabelStudio, project: int) -> list[Facts]:
    """What Label Studio holds, sorted."""
    return sorted(
        facts(str(task.data["series"]), annotation)
        for task in studio.tasks(project)
        for annotation in studio.annotations(task.id)
    )


def stored(bucket: Bucket, branch: str) -> list[Facts]:
    """What the bucket holds of a branch, sorted."""
    found = [json.loads(bucket.get(item.key)[0]) for item in bucket.objects(f"{branch}/annotations/")]
    return sorted(facts(str(whole["task"]["data"]["series"]), whole) for whole in found)


def committed(lab: Lab) -> list[Facts]:
    """What the label snapshot of the work tree holds, sorted."""
    return sorted(facts(series, record) for series, found in lab.labels().items() for record in found)


def facts(series: str, annotation: Mapping[str, Any]) -> Facts:
    """The content of an annotation, without number and times."""
    regions = sorted(str(sorted(region["value"].items())) for region in annotation["result"])
    return series, annotation["was_cancelled"], bool(annotation["ground_truth"]), str(regions)
