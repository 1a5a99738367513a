"""Label Studio's own page, in Chromium, on every recording of the tests: it shows what import takes, as we read it.

And it does not show, or shows otherwise, what is stored in another form or refused for its sake. One browser and one
project for all of it; recordings of the first table go the whole way, through import, bucket and Label Studio.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from playwright.sync_api import Page

from pipelines.import_.import_ import import_recordings
from storage.label_studio import label_config
from storage.label_studio import page as model
from storage.label_studio.page_csv import PageError
from storage.series import recording_reader
from storage.settings import Settings
from tests.conftest import clone
from tests.support.label_studio_page import Shown, open_page, show
from tests.support.recordings.recording_cases import AS_IT_IS, Case, xml
from tests.support.recordings.refused_cells import REFUSED_CELLS
from tests.support.recordings.refused_tables import REFUSED_TABLES
from tests.support.recordings.stored_recordings import STORED

TAKEN = AS_IT_IS | STORED
MISREAD = {name: case for name, case in (REFUSED_TABLES | REFUSED_CELLS).items() if case.misread}
IMPORTED = [name for name, case in TAKEN.items() if case.config == xml()]


@pytest.fixture(scope="module")
def opened(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Page, dict[str, str]]]:
    """The page, and the addresses under which Label Studio has the recordings that were imported."""
    root = tmp_path_factory.mktemp("page")
    project = clone(root / "clone", settings, f"lab-{uuid4().hex[:12]}")
    (root / "series").mkdir()
    for name in IMPORTED:
        (root / f"series/{name}.csv").write_bytes(TAKEN[name].raw)
    (root / "config.xml").write_text(xml(), encoding="utf-8")
    done = import_recordings(project, str(root / "series"), config_file=root / "config.xml")
    assert (done.added, done.refused) == (len(IMPORTED), 0)
    state = project.remote.state()
    assert state is not None
    tasks = list(project.studio.tasks(state.project))
    addresses = {str(task.data["series"]): str(task.data["csv"]) for task in tasks}
    with open_page(settings, state.project, tasks[0].id) as page:
        yield page, addresses


def stored(case: Case) -> bytes:
    """The bytes that the bucket has of a recording."""
    return case.raw if case.stored is None else case.stored


@pytest.fixture(scope="module")
def shown(opened: tuple[Page, dict[str, str]]) -> dict[tuple[str, str], Shown]:
    """What the page makes of all of them: as they are stored, and as they came."""
    page, addresses = opened
    wanted: dict[tuple[str, str], tuple[str | bytes, str]] = {}
    for name, case in TAKEN.items():
        wanted["stored", name] = (addresses.get(name, stored(case)), case.config)
    for name, case in (STORED | MISREAD).items():
        wanted["came", name] = (case.raw, case.config)
    return dict(zip(wanted, show(page, list(wanted.values())), strict=True))


def agrees(held: Shown, values: tuple[list[float], ...]) -> bool:
    """Whether the page holds these numbers, with 0 for each that is missing, and draws all of them."""
    columns = [held.times, *held.channels]
    if held.error or not held.whole or len(columns) != len(values):
        return False
    return all(
        len(a) == len(b)
        and all(isinstance(cell, int | float) for cell in a)
        and np.allclose(a, np.nan_to_num(b))
        for a, b in zip(columns, values, strict=True)
    )


@pytest.mark.parametrize("name", TAKEN)
def test_the_page_shows_what_was_read(shown: dict[tuple[str, str], Shown], name: str) -> None:
    case = TAKEN[name]
    held = shown["stored", name]
    assert held.error == ""
    assert agrees(held, case.values or ())
    read = recording_reader.examine(case.raw, case.parsed).series
    assert read is not None
    times = read.times // 10**6 if read.times.dtype.kind == "i" else read.times
    assert agrees(held, (times.tolist(), *read.values.T.tolist()))


@pytest.mark.parametrize("name", STORED)
def test_the_page_misreads_what_is_stored_in_another_form(
    shown: dict[tuple[str, str], Shown], name: str
) -> None:
    if name in ("Windows-1252",):  # only a column that nobody needs has letters there that are garbled
        return
    assert not agrees(shown["came", name], STORED[name].values or ())


@pytest.mark.parametrize("name", MISREAD)
def test_the_page_misreads_what_is_refused_for_its_sake(
    shown: dict[tuple[str, str], Shown], name: str
) -> None:
    case = MISREAD[name]
    assert case.followed is not None
    cured = recording_reader.examine(case.followed[0], label_config.parse(case.followed[1])).series
    assert cured is not None
    times = cured.times // 10**6 if cured.times.dtype.kind == "i" else cured.times
    assert not agrees(shown["came", name], (times.tolist(), *cured.values.T.tolist()))


@pytest.mark.parametrize("which", ["stored", "came"])
def test_the_model_of_the_page_is_like_the_page(shown: dict[tuple[str, str], Shown], which: str) -> None:
    differ = {}
    for (kind, name), held in shown.items():
        case = (TAKEN | MISREAD)[name]
        if kind != which or case.parsed.sep in ("|", "::"):
            continue  # the model leaves signs of regular expressions to the check of the label config
        raw = stored(case) if kind == "stored" else case.raw
        try:
            found = model.show(raw.decode("utf-8-sig", errors="replace"), case.parsed)
        except PageError as error:
            if not held.error:
                differ[name] = (str(error), held)
            continue
        ours = [found.times, *found.channels.values()]
        if held.error or plain(ours) != plain([held.times, *held.channels]):
            differ[name] = (json.dumps(ours), held)
    assert differ == {}


def plain(columns: list[Any]) -> list[Any]:
    """Numbers as JSON writes them, whole ones as integers are."""
    return [
        [
            cell if isinstance(cell, str) else None if cell is None or math.isinf(cell) else float(cell)
            for cell in column
        ]
        for column in columns
    ]
