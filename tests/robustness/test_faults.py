"""Sync while servers fail, hang and hang up, the world moves under it, or the disk is full.

Each sync ends right or in an error that a person can act on; and once the faults are over, the next one is right.
"""

from __future__ import annotations

import random

import pytest

from storage.errors import LabeltrailError
from tests.conftest import Lab
from tests.support.edits import committed, edit, held
from tests.support.killing import assert_clean
from tests.support.proxy import CALM, STORM
from tests.support.stormy import storm


@pytest.mark.parametrize("seed", range(2))
def test_syncs_in_a_storm_end_right_or_in_an_error_of_ours(lab: Lab, seed: int, faults: int) -> None:
    die, errors = random.Random(seed), []  # noqa: S311 -- no secret
    with storm(lab, seed) as stormy:
        for _ in range(faults):
            _change_something(lab, die)
            stormy.weather(STORM)
            try:
                lab.sync(yes=True)
            except LabeltrailError as error:
                assert error.why and error.cure, f"tells too little: {error}"
                errors.append(str(error))
                stormy.weather(CALM)
                lab.sync(yes=True)
            stormy.weather(CALM)
        lab.sync(yes=True)
        print(
            f"{len(stormy.s3.done + stormy.api.done)} faults in {faults} syncs, {len(errors)} errors", *errors
        )
        assert committed(lab) == held(stormy.studio, lab.number)
        assert lab.sync(yes=True).commit == ""
        assert_clean(lab.project.root)


def _change_something(lab: Lab, die: random.Random) -> None:
    """In Label Studio or in the work tree: both at once could be a conflict. Many deletions at once are meant."""
    repository = lab.project.repository
    commits = repository.git.label_commits()
    if len(list(commits)) > 1 and die.random() < 0.4:
        older = die.choice([commit.commit for commit in repository.git.label_commits()])
        repository.git.run("checkout", older, "--", "data/labels.dvc")
    else:
        for _ in range(die.randrange(1, 4)):
            edit(lab.project, lab.number, die)
