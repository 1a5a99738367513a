"""Commands for the project as a whole: servers, checks, import, demo, trace, gc."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.app import Json, app, conclude, next_step, project_here, say
from pipelines.cli.options import DryRun


@app.command()
def up(as_json: Json = False) -> None:
    """Start MinIO and Label Studio of this clone, and wait until they respond.

    What the environment or .env names (AWS_ENDPOINT_URL, LABEL_STUDIO_URL) is used instead of started.

    Example: labeltrail up
    """
    from pipelines import services
    from storage import worktree
    from storage.labels import git_drivers

    project = project_here()
    servers = services.up(project.root)
    project.wire()
    worktree.follow_git(project)
    git_drivers.configure(project.repository.git)
    say(as_json, {"servers": [s.to_json() for s in servers]}, services.lines(servers))
    next_step(as_json, "labeltrail import FOLDER --label-config FILE, or labeltrail status")


@app.command()
def down(as_json: Json = False) -> None:
    """Stop the servers that `up` started; their data stays.

    Example: labeltrail down
    """
    from pipelines import services

    servers = services.down(project_here().root)
    say(as_json, {"servers": [s.to_json() for s in servers]}, services.lines(servers))
    next_step(as_json, "labeltrail up")


@app.command()
def status(as_json: Json = False) -> None:
    """Show where Label Studio, the bucket, the labels and the best model are.

    Example: labeltrail status --json
    """
    from pipelines import services
    from pipelines.status import describe

    project = project_here()
    servers = services.status(project.root)
    where = describe(project)
    text = [*services.lines(servers), *(f"{name:<14}{value}" for name, value in where.items())]
    say(as_json, {"servers": [s.to_json() for s in servers], "project": where}, text)
    next_step(as_json, "labeltrail doctor checks all of it")


@app.command()
def doctor(
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every byte of every label commit too, as fsck does.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check everything for real: bucket, token, storages, label config against recordings, git and DVC.

    Example: labeltrail doctor
    """
    from pipelines import doctor as checks
    from storage.errors import CheckError

    results = checks.examine(project_here(), deep=deep)
    failed = [r for r in results if not r.passed]
    error = None
    if failed:
        what = f"{len(failed)} of {len(results)} checks failed"
        error = CheckError(what, where="; ".join(r.name for r in failed), cure=failed[0].cure)
    lines = [line for r in results for line in r.lines()]
    conclude(as_json, {"checks": [r.to_json() for r in results]}, lines, error)


@app.command()
def fsck(
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Repair cache and DVC remote from each other and from the work tree."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check that labels, recordings and models of all branches and tags can be restored, byte by byte.

    Everything is read from the DVC remote and hashed, and so is the local cache. Exit code 6: something is wrong.

    Example: labeltrail fsck --repair
    """
    from pipelines.fsck import fsck as check

    project = project_here()
    done = check(project if repair else project.dry(), repair=repair)
    conclude(as_json, done.to_json(), done.lines(), done.error())
    next_step(as_json, "labeltrail doctor tries the servers")


@app.command("import")
def import_(
    path: Annotated[
        str, typer.Argument(help="Folder, glob pattern or file of CSV recordings, or an export.")
    ],
    labels: Annotated[
        Path | None,
        typer.Option(help="Label Studio export of these recordings: JSON (best), JSON_MIN, CSV, TSV."),
    ] = None,
    label_config: Annotated[Path | None, typer.Option(help="Label Studio label config (XML).")] = None,
    annotators: Annotated[
        Path | None, typer.Option(help="Accounts of the export's annotators: lines of NUMBER-OR-EMAIL,EMAIL.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what it would do.")] = False,
    as_json: Json = False,
) -> None:
    """Import recordings, and optionally a Label Studio export.

    Everything is checked first: a bad recording is reported with its row and left out; any other error changes
    nothing. An export (.json) in the place of recordings contains them, as columns in its task data or as http(s)
    addresses.

    Example: labeltrail import recordings/ --labels tasks.json
    """
    from pipelines.import_.import_ import import_recordings

    done = import_recordings(project_here(), path, labels, label_config, annotators, dry_run=dry_run)
    say(as_json, done.to_json(), done.lines())
    next_step(as_json, "the same without --dry-run" if dry_run else "labeltrail sync")


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(help="Folder with series/*.csv and tasks.json; else simulated recordings.")
    ] = None,
    classify: Annotated[
        bool, typer.Option("--classify", help="Simulated heart beats, one label each, instead of regions.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run the whole loop once in this clone: servers, recordings, labels, training, predictions.

    Example: labeltrail demo --data ~/recordings
    """
    from pipelines.demo.demo import demo as run_demo

    project = project_here()
    done = run_demo(project, data, classify)
    say(as_json, done.to_json(), done.lines(project.root))


@app.command()
def trace(
    thing: Annotated[
        str, typer.Argument(help="Prediction, model, trial, label commit, series or annotation.")
    ],
    as_json: Json = False,
) -> None:
    """Show where a thing came from and what was made from it.

    A prediction is named by its number in Label Studio, a model by its hash or model version, a trial of a tuning by
    the hash of its model or as STUDY.json:NUMBER, a label commit by any git revision.

    Example: labeltrail trace HEAD
    """
    from pipelines.history.trace import trace as follow

    found = follow(project_here(), thing)
    say(as_json, found.to_json(), found.lines())


@app.command()
def gc(
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it, only print sizes.")] = False,
    hours: Annotated[
        float, typer.Option(help="Keep what was pushed within so many hours before the newest object.")
    ] = 24.0,
    as_json: Json = False,
) -> None:
    """Delete models that no branch or tag refers to from cache and DVC remote; all labels are kept.

    `dvc gc` would delete the labels of earlier label commits: use this one.

    Example: labeltrail gc --yes
    """
    from pipelines.gc import gc as collect

    done = collect(project_here(), yes=yes and not dry_run, hours=hours)
    say(as_json, done.to_json(), done.lines())
    next_step(as_json, "labeltrail log" if done.deleted else "labeltrail gc --yes")
