"""A source storage that is being read already: whoever asks again waits, or every new task would be made twice."""

from __future__ import annotations

import threading

from storage import process
from storage.label_studio.client import LabelStudio
from tests.conftest import Lab


def test_a_second_reading_waits_for_the_first(lab: Lab) -> None:
    remote, studio = lab.project.remote, lab.project.studio
    series = [f"new {number:02}" for number in range(40)]
    for key in series:
        remote.put_task(key, {})
    source = studio.projects.storages(lab.number)[0][0]["id"]
    first = threading.Thread(target=LabelStudio.of(lab.project.settings).projects.sync_source, args=[source])
    first.start()
    assert process.wait(lambda: len(list(studio.tasks(lab.number))) > 3, 20)
    studio.projects.sync_source(source)
    first.join()
    found = sorted(str(task.data["series"]) for task in studio.tasks(lab.number))
    assert found == sorted(["one", "two", "three", *series])
