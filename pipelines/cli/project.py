"""Commands for the project as a whole: servers, checks, import, demo, trace, gc."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.app import Json, app, conclude, next_step, project_here, say
from pipelines.cli.options import DryRun


@app.command()
def up(as_json: Json = False) -> None:
    """Start MinIO and Label Studio of this clone.

    Waits until both respond. A server whose address is set in the environment or in .env (AWS_ENDPOINT_URL,
    LABEL_STUDIO_URL) is used, not started.

    Example: labeltrail up
    """
    from pipelines import services
    from pipelines.git_setup import set_up

    project = project_here()
    servers = services.up(project.root)
    project.configure_remote()
    set_up(project.repository.git)
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
    """Show servers, bucket, labels and best model of this project.

    Example: labeltrail status --json
    """
    from pipelines import services
    from pipelines.status import describe

    project = project_here()
    servers = services.status(project.root)
    where = describe(project)
    text = [*services.lines(servers), *(f"{name:<14}{value}" for name, value in where.items())]
    say(as_json, {"servers": [s.to_json() for s in servers], "project": where}, text)
    next_step(as_json, "labeltrail doctor")


@app.command()
def doctor(
    deep: Annotated[
        bool, typer.Option("--deep", help="Also hash everything in the history, as `labeltrail fsck` does.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check servers, storages, label config, git and DVC.

    A failed check prints the command that fixes it. Exit code 6: a check failed.

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
        typer.Option("--repair", help="Repair DVC cache and remote from each other and from the work tree."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Verify the hashes of all labels, recordings and models.

    Everything that branches and tags refer to is read from the DVC remote and hashed, and so is the local cache.
    Exit code 6: an object is missing or damaged.

    Example: labeltrail fsck --repair
    """
    from pipelines.fsck import fsck as check

    project = project_here()
    result = check(project if repair else project.dry(), repair=repair)
    conclude(as_json, result.to_json(), result.lines(), result.error())
    next_step(as_json, "labeltrail doctor")


@app.command("import")
def import_(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH", help="Folder, glob pattern or file of CSV recordings, or a Label Studio export."
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Label Studio export of these recordings: JSON (best), JSON_MIN, CSV or TSV."
        ),
    ] = None,
    label_config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Label config of Label Studio (XML).")
    ] = None,
    annotators: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Accounts of the annotators in the export: lines of NUMBER-OR-EMAIL,EMAIL."
        ),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import recordings, and optionally a Label Studio export.

    Everything is checked first. A recording with an error is reported with its row and left out; any other error
    stops the import, and nothing is changed. PATH may also be a Label Studio export (.json) that contains the
    recordings, as columns in its task data or as http(s) URLs.

    Example: labeltrail import recordings/ --labels tasks.json
    """
    from pipelines.import_.import_ import import_recordings

    result = import_recordings(project_here(), path, labels, label_config, annotators, dry_run=dry_run)
    say(as_json, result.to_json(), result.lines())
    next_step(as_json, "the same command without --dry-run" if dry_run else "labeltrail sync")


@app.command()
def demo(
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder with series/*.csv and tasks.json; simulated recordings if left out.",
        ),
    ] = None,
    classify: Annotated[
        bool, typer.Option("--classify", help="Classify simulated heart beats, instead of labeling regions.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run the whole loop once in this clone.

    Starts the servers, imports recordings, labels some of them, trains a model and publishes its predictions.

    Example: labeltrail demo --data ~/recordings
    """
    from pipelines.demo.demo import demo as run_demo

    project = project_here()
    result = run_demo(project, data, classify)
    say(as_json, result.to_json(), result.lines(project.root))


@app.command()
def trace(
    thing: Annotated[
        str,
        typer.Argument(
            metavar="THING", help="A prediction, model, trial, label commit, series or annotation."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Show the lineage of a model, prediction, label or series.

    What it was made from, and what was made from it. Name a prediction by its number in Label Studio, a model by its
    hash or model version, a trial of a tuning by the hash of its model or as STUDY.json:NUMBER, and a label commit by
    any git revision.

    Example: labeltrail trace HEAD
    """
    from pipelines.history.trace import trace as follow

    found = follow(project_here(), thing)
    say(as_json, found.to_json(), found.lines())


@app.command()
def gc(
    dry_run: DryRun = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete; without it, only the sizes are printed.")
    ] = False,
    hours: Annotated[
        float,
        typer.Option(metavar="HOURS", help="Keep objects pushed within this time before the newest object."),
    ] = 24.0,
    as_json: Json = False,
) -> None:
    """Delete models that no branch or tag refers to.

    They are deleted from the DVC cache and remote; all labels are kept. Do not use `dvc gc` instead: it deletes the
    labels of earlier label commits.

    Example: labeltrail gc --yes
    """
    from pipelines.gc import gc as collect

    result = collect(project_here(), yes=yes and not dry_run, hours=hours)
    say(as_json, result.to_json(), result.lines())
    next_step(as_json, "labeltrail log" if result.deleted else "labeltrail gc --yes")
