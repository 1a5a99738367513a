"""Sync while the world moves under it: objects that change or go between LIST and GET, between GET and PUT."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from storage.errors import NotFoundError
from storage.files import md5_bytes
from storage.s3.keys import series_of
from tests.conftest import Lab, recording, result
from tests.support.edits import committed, held
from tests.support.killing import assert_clean
from tests.support.proxy import Request
from tests.support.stormy import Stormy, storm


def once(path: str, act: Callable[[], object]) -> Callable[[Request], None]:
    """A hook that acts the first time somebody is about to GET an object."""
    waiting = [act]

    def before(request: Request) -> None:
        if request.method == "GET" and request.path.endswith(path) and waiting:
            waiting.pop()()

    return before


def _agree(lab: Lab, stormy: Stormy) -> None:
    """One more sync, and both sides hold the same."""
    lab.sync()
    assert committed(lab) == held(stormy.studio, lab.number)
    assert lab.sync().commit == ""
    assert_clean(lab.project.root)


@pytest.mark.parametrize("act", ["change", "delete"])
def test_an_annotation_that_moves_between_list_and_get(lab: Lab, act: str) -> None:
    with storm(lab) as stormy:
        lab.annotate("two", (0.1, 0.5, "run"))
        made = lab.annotate("one", (0.1, 0.5, "walk"))
        moves = {
            "change": lambda: stormy.studio.update_annotation(made, result=result((0.2, 0.6, "knock"))),
            "delete": lambda: stormy.studio.delete_annotation(made),
        }
        stormy.s3.before = once(f"/main/annotations/{made}", moves[act])
        lab.sync()
        _agree(lab, stormy)
        assert len(committed(lab)) == (2 if act == "change" else 1)


@pytest.mark.parametrize("act", ["change", "delete"])
def test_a_recording_that_moves_between_list_and_get(lab: Lab, act: str) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    with storm(lab) as stormy:
        stormy.bucket.put("series/one.csv", recording(seed=8))
        moves = {
            "change": lambda: stormy.bucket.put("series/one.csv", recording(seed=9)),
            "delete": lambda: stormy.bucket.delete(["series/one.csv"]),
        }
        stormy.s3.before = once("/series/one.csv", moves[act])
        if act == "delete":
            with pytest.raises(NotFoundError, match="the bucket refused") as caught:
                lab.sync()
            assert caught.value.where == stormy.bucket.url("series/one.csv")
        else:
            lab.sync()
        _agree(lab, stormy)
        kept = {path.stem: path.read_bytes() for path in (lab.project.root / "data/series").glob("*.csv")}
        listed = {series_of(item.key): item.etag for item in stormy.bucket.objects("series/")}
        assert {name: md5_bytes(data) for name, data in kept.items()} == listed


def test_sync_json_that_goes_between_reading_and_writing(lab: Lab) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    with storm(lab) as stormy:
        key = lab.project.remote.state_key
        data, _ = stormy.bucket.get(key)
        seen: list[str] = []

        def overtake(request: Request) -> None:
            if request.method == "PUT" and request.path.endswith(key) and not seen:
                seen.append(request.path)
                stormy.bucket.put(key, data + b" ")

        stormy.s3.before = overtake
        lab.sync()
        assert seen, "another one wrote it in between"
        _agree(lab, stormy)
