"""Listing the tasks of a project: pages of any size, and tasks that Label Studio cannot show among them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.label_studio.client import LabelStudio
from storage.label_studio.session import BrokenResponseError, Session


class Server(Session):
    """Label Studio's list of tasks: a page fails where it holds data that cannot be shown.

    Args:
        count: tasks, from 1.
        broken: those that cannot be shown.
        most: tasks that it gives at once (TASK_API_PAGE_SIZE_MAX); 0: as many as are asked for.
    """

    def __init__(self, count: int, broken: set[int], most: int) -> None:
        self.count, self.broken, self.most, self.asked = count, broken, most, 0

    def call_object(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        query, self.asked = arguments["params"], self.asked + 1
        size = min(query["page_size"], self.most or query["page_size"])
        found = range(1, self.count + 1)[(query["page"] - 1) * size : query["page"] * size]
        names = query["include"].split(",")
        if "data" in names and self.broken.intersection(found):
            raise BrokenResponseError("Label Studio failed")
        facts = {"updated_at": "2026-01-02T03:04:05Z", "created_at": "2026-01-02T03:04:05Z"}
        every = {**facts, "data": {"series": "one"}, "storage_filename": "", "annotations_ids": "7"}
        tasks = [{"id": task, **{n: v for n, v in every.items() if n in names}} for task in found]
        return {"total": self.count, "tasks": tasks}


@given(
    st.integers(0, 1100),
    st.sets(st.integers(1, 1100), max_size=5),
    st.sampled_from([0, 0, 1, 3, 50, 99, 100]),
)
@settings(deadline=None, max_examples=300)
def test_every_task_is_listed_once(count: int, broken: set[int], most: int) -> None:
    server = Server(count, broken & set(range(1, count + 1)), most)
    found = list(LabelStudio(server).tasks(1))
    assert [task.id for task in found] == list(range(1, count + 1))
    assert {task.id for task in found if not task.readable} == server.broken
    assert all(task.annotations == (7,) for task in found)


def test_few_requests_find_the_one_that_cannot_be_shown() -> None:
    server = Server(1000, {777}, 0)
    assert len(list(LabelStudio(server).tasks(1))) == 1000
    assert server.asked < 50


def test_what_fails_without_data_too_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise BrokenResponseError("Label Studio failed")

    server = Server(10, set(), 0)
    monkeypatch.setattr(server, "call_object", fails)
    with pytest.raises(BrokenResponseError):
        list(LabelStudio(server).tasks(1))
