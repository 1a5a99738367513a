"""`kill -9` at random moments: the same command again ends where an undisturbed run would have ended.

A scenario makes work for a command, another one each time, and says what both sides must hold once it is done.
`make test-kill` kills often, the usual tests once in each scenario.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines.branches.create import branch
from pipelines.branches.drop import drop, loss
from pipelines.branches.switch import switch
from pipelines.import_.import_ import import_recordings
from pipelines.sync.result import Options
from pipelines.sync.sync import sync
from storage import process
from storage.errors import ConflictError
from storage.labels import label_store
from storage.project import Project
from tests.conftest import Lab, recording
from tests.pipelines.branches.test_branches import moved
from tests.pipelines.branches.test_restore import fresh_clone
from tests.support.edits import SERIES, Facts, committed, edit, facts, held, stored
from tests.support.killing import Ended, assert_clean, program

MAIN, TRIAL = "main", "trial"


@dataclass(frozen=True)
class Job:
    """A command that has something to do.

    Attributes:
        words: the command.
        wanted: what Label Studio, the label commit and the bucket must hold once it is done.
        branch: of which branch.
    """

    words: Sequence[str]
    wanted: list[Facts]
    branch: str = MAIN


@dataclass(frozen=True)
class Scenario:
    """One command that is killed.

    Attributes:
        prepare: makes work for it.
        before: what has to be there once, before the first time.
    """

    prepare: Callable[[Lab, random.Random], Job]
    before: Callable[[Lab], None] = lambda lab: None


def some_history(lab: Lab) -> None:
    """Four label commits, with annotations made, changed and deleted."""
    die = random.Random(7)  # noqa: S311 -- no secret
    for _ in range(4):
        somebody_labels(lab, die)
        lab.sync(yes=True)


def many_series(lab: Lab) -> None:
    """So many that filling a project takes a while."""
    some_history(lab)
    folder = lab.project.root.with_name("more recordings")
    folder.mkdir()
    for number in range(30):
        (folder / f"more {number:02}.csv").write_bytes(recording(rows=20, seed=number))
    import_recordings(lab.project, str(folder))
    for series in sorted(lab.tasks().keys() - set(SERIES)):
        lab.annotate(series, (0.0, 0.1, "walk"))
    lab.sync(yes=True)


def somebody_labels(lab: Lab, die: random.Random) -> Job:
    """Somebody labels in Label Studio."""
    for _ in range(4):
        edit(lab.project, lab.number, die)
    return Job(["sync", "--yes"], held(lab.project.studio, lab.number))


def older_labels(lab: Lab, die: random.Random) -> Job:
    """Somebody checks out the labels of another label commit."""
    repository = lab.project.repository
    repository.git.run("checkout", _another_commit(lab, die), "--", "data/labels.dvc")
    repository.checkout("data/labels")
    return Job(["sync", "--yes"], committed(lab))


def a_bad_day(lab: Lab, die: random.Random) -> Job:
    """Annotations are made, changed and deleted, some of it in no label commit yet; none of it was right."""
    for _ in range(3):
        edit(lab.project, lab.number, die)
    lab.sync(yes=True)
    edit(lab.project, lab.number, die)
    commit = _another_commit(lab, die)
    repository = lab.project.repository
    records = label_store.records(repository, repository.git.labels_at(commit))
    return Job(["rollback", commit], sorted(facts(record["series"], record) for record in records))


def an_idea(lab: Lab, die: random.Random) -> Job:
    """Somebody wants to try something on a branch."""
    edit(lab.project, lab.number, die)
    lab.sync(yes=True)
    name = f"idea-{die.randrange(10**6)}"
    return Job(["branch", name], held(lab.project.studio, lab.number), name)


def a_trial(lab: Lab) -> None:
    """A branch with a clone of its own, so that both go on."""
    some_history(lab)
    branch(lab.project, TRIAL)
    other = fresh_clone(lab, _beside(lab), lab.project.settings)
    other.configure_remote()
    switch(other, TRIAL)


def both_go_on(lab: Lab, die: random.Random) -> Job:
    """One series is labeled on the branch that is checked out, the others on another one."""
    other = Project(_beside(lab))
    state = other.remote.state()
    assert state is not None
    studio = lab.project.studio
    edit(lab.project, lab.number, die, ["one"])
    for _ in range(3):
        edit(lab.project, state.project, die, ["two", "three"])
    lab.sync(yes=True)
    sync(other, Options(yes=True))
    process.run(["git", "fetch", "--quiet", other.root, f"{TRIAL}:{TRIAL}"], cwd=lab.project.root)
    ours, theirs = held(studio, lab.number), held(studio, state.project)
    wanted = [fact for fact in ours if fact[0] == "one"] + [fact for fact in theirs if fact[0] != "one"]
    return Job(["merge", TRIAL], sorted(wanted))


def label_studio_is_lost(lab: Lab, die: random.Random) -> Job:
    """The project is gone; of the last annotation only the bucket knows."""
    edit(lab.project, lab.number, die)
    lab.sync(yes=True)
    lab.annotate("two", (0.2, 0.4, "walk"))
    wanted = held(lab.project.studio, lab.number)
    lab.project.studio.projects.delete(lab.number)
    return Job(["restore"], wanted)


SCENARIOS = {
    "labels come in": Scenario(somebody_labels),
    "labels go out": Scenario(older_labels, some_history),
    "rollback": Scenario(a_bad_day, some_history),
    "branch": Scenario(an_idea, many_series),
    "merge": Scenario(both_go_on, a_trial),
    "restore": Scenario(label_studio_is_lost, many_series),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_and_run_again(lab: Lab, name: str, kills: int, kill_seed: int) -> None:
    scenario, die = SCENARIOS[name], random.Random(f"{name} {kill_seed}")  # noqa: S311 -- no secret
    lab.sync(yes=True)
    scenario.before(lab)
    job = scenario.prepare(lab, die)
    whole = program(lab.project.root, job.words)
    lab = _assert_done(lab, job, whole, "not killed")
    done = 0
    while done < kills:
        job, moment = scenario.prepare(lab, die), die.uniform(0, whole.seconds)
        killed = program(lab.project.root, job.words, kill_after=moment)
        done += killed.status < 0  # it may have been quicker this time
        again = program(lab.project.root, job.words)
        story = f"kill {done} of `{' '.join(job.words)}` after {moment:.3f} s of {whole.seconds:.3f} s"
        lab = _assert_done(lab, job, again, f"{story}:\n{killed.output}\nthen:")
        print(f"{story}: right")


def _assert_done(lab: Lab, job: Job, ended: Ended, story: str) -> Lab:
    """Check both sides, and that nothing is left over; returns the lab as it is now."""
    story = f"{story}\n{ended.output}"
    there_already = job.branch != MAIN and ended.status == ConflictError.exit_code
    assert ended.status == 0 or (there_already and "exists already" in ended.output), story
    on = moved(lab, job.branch) if job.branch != MAIN else _on_main(lab)
    assert committed(on) == job.wanted, story
    assert held(on.project.studio, on.number) == job.wanted, story
    synced = on.sync(yes=True)
    assert (synced.commit, synced.pushed) == ("", 0), story
    assert stored(on.project.bucket, job.branch) == job.wanted, story
    assert held(on.project.studio, on.number) == committed(on) == job.wanted, story
    if job.branch != MAIN:
        lab = moved(lab, MAIN)
        assert held(lab.project.studio, lab.number) == committed(lab) == job.wanted, story
        drop(lab.project, loss(lab.project, job.branch))
        on = lab
    assert_clean(lab.project.root)
    return on


def _on_main(lab: Lab) -> Lab:
    project = Project(lab.project.root)
    state = project.remote.state()
    assert state is not None
    return Lab(project, state.project)


def _another_commit(lab: Lab, die: random.Random) -> str:
    repository = lab.project.repository
    now = repository.pointer("data/labels")
    others = [c.commit for c in repository.git.label_commits() if c.labels and c.labels != now]
    return die.choice(others[:8])


def _beside(lab: Lab) -> Path:
    return lab.project.root.with_name("other")
