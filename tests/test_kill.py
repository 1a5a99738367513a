"""`kill -9` at random moments: the same command again ends where an undisturbed run would have ended.

A scenario is a way to make work for a command, and what both sides must hold once it is done. `make test-kill` kills
often, the usual tests a few times.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from tests.conftest import Lab
from tests.edits import Facts, committed, edit, held
from tests.killing import assert_clean, moments, program


@dataclass(frozen=True)
class Scenario:
    """One command that is killed.

    Attributes:
        prepare: makes work for it, another one each time; returns what both sides must hold in the end.
        words: the command.
        before: what has to be there once, before the first time.
    """

    prepare: Callable[[Lab, random.Random], list[Facts]]
    words: Sequence[str]
    before: Callable[[Lab], None] = lambda lab: None


def labeled(lab: Lab, die: random.Random) -> list[Facts]:
    """Somebody labels in Label Studio."""
    for _ in range(4):
        edit(lab.project.studio, lab.number, die)
    return held(lab.project.studio, lab.number)


def older_labels(lab: Lab, die: random.Random) -> list[Facts]:
    """Somebody checks out the labels of another label commit."""
    repository = lab.project.repository
    now = repository.pointer("data/labels")
    others = [c.commit for c in repository.label_commits() if c.labels and c.labels != now]
    repository.git("checkout", die.choice(others), "--", "data/labels.dvc")
    repository.checkout("data/labels")
    return committed(lab)


def some_history(lab: Lab) -> None:
    """Four label commits, with annotations made, changed and deleted."""
    die = random.Random(7)  # noqa: S311 -- no secret
    for _ in range(4):
        labeled(lab, die)
        lab.sync()


SCENARIOS = {
    "labels come in": Scenario(labeled, ["sync"]),
    "labels go out": Scenario(older_labels, ["sync"], some_history),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_and_run_again(lab: Lab, name: str, kills: int, seed: int = 0) -> None:
    scenario, die = SCENARIOS[name], random.Random(name)  # noqa: S311 -- no secret
    root = lab.project.root
    lab.sync()
    scenario.before(lab)
    wanted = scenario.prepare(lab, die)
    whole = program(root, scenario.words)
    _assert_done(lab, wanted, whole.status, whole.output)
    for moment in moments(whole.seconds, kills, seed):
        wanted = scenario.prepare(lab, die)
        program(root, scenario.words, kill_after=moment)
        again = program(root, scenario.words)
        _assert_done(lab, wanted, again.status, f"killed after {moment:.3f} s\n{again.output}")


def _assert_done(lab: Lab, wanted: list[Facts], status: int, story: str) -> None:
    assert status == 0, story
    assert committed(lab) == wanted, story
    assert held(lab.project.studio, lab.number) == wanted, story
    assert lab.sync().commit == "", story
    assert_clean(lab.project.root)
