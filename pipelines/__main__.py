"""The command line: what a person types. One function a command; each calls the pipeline of that name.

Modules are imported inside the commands, so that `labeltrail --help` and a sync with nothing to do stay fast.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from storage.errors import LabeltrailError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.project import Project

EXIT_CODES = """
Exit codes: 0 done · 1 a bug, with its traceback · 2 wrong usage · 3 bad input · 4 Label Studio or the bucket is
away · 5 conflict · 6 a check failed · 7 not found · 8 a program that is needed is missing or failed
"""

app = typer.Typer(
    help="Label time series, retrain, roll back: every model traces to the label commit that made it.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
Json = Annotated[bool, typer.Option("--json", help="Print what a program would read.")]


def main() -> None:
    """Run a command; an error a person can act on becomes its text and exit code, a bug keeps its traceback."""
    try:
        app()
    except LabeltrailError as error:
        if "--json" in sys.argv:
            print(json.dumps({"version": 1, "error": error.to_json()}, indent=1, ensure_ascii=False))
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


@app.command()
def up(as_json: Json = False) -> None:
    """Start MinIO and Label Studio of this clone, and wait until they answer.

    What the environment or .env names (AWS_ENDPOINT_URL, LABEL_STUDIO_URL) is used instead of started.

    Example: labeltrail up
    """
    from pipelines import services
    from storage import worktree

    project = _project()
    servers = services.up(project.root)
    project.wire()
    worktree.follow_git(project)
    _say(as_json, {"servers": [s.to_json() for s in servers]}, services.lines(servers))
    _next(as_json, "labeltrail import FOLDER --label-config FILE, or labeltrail status")


@app.command()
def down(as_json: Json = False) -> None:
    """Stop the servers that `up` started; their data stays.

    Example: labeltrail down
    """
    from pipelines import services

    servers = services.down(_project().root)
    _say(as_json, {"servers": [s.to_json() for s in servers]}, services.lines(servers))
    _next(as_json, "labeltrail up")


@app.command()
def status(as_json: Json = False) -> None:
    """Show where Label Studio, the bucket, the labels and the best model are.

    Example: labeltrail status --json
    """
    from pipelines import services
    from pipelines.status import whereabouts

    project = _project()
    servers = services.status(project.root)
    where = whereabouts(project)
    text = [*services.lines(servers), *(f"{name:<14}{value}" for name, value in where.items())]
    _say(as_json, {"servers": [s.to_json() for s in servers], "project": where}, text)
    _next(as_json, "labeltrail doctor checks all of it")


@app.command()
def doctor(as_json: Json = False) -> None:
    """Try everything for real: bucket, token, storages, label config against recordings, git and DVC.

    Example: labeltrail doctor
    """
    from pipelines import doctor as checks
    from storage.errors import CheckError

    results = checks.examine(_project())
    _say(as_json, {"checks": [r.to_json() for r in results]}, [r.line() for r in results])
    failed = [r for r in results if not r.passed]
    if failed:
        what = f"{len(failed)} of {len(results)} checks failed"
        raise CheckError(what, where="; ".join(r.name for r in failed), cure=failed[0].cure)


@app.command("import")
def import_(
    path: Annotated[
        str, typer.Argument(help="Folder, glob pattern or file of CSV recordings, or an export.")
    ],
    labels: Annotated[Path | None, typer.Option(help="Label Studio JSON export of these recordings.")] = None,
    label_config: Annotated[Path | None, typer.Option(help="Label Studio label config (XML).")] = None,
    as_json: Json = False,
) -> None:
    """Bring recordings, and if given a Label Studio export, into the project.

    Each recording is checked first; a bad one is named with its row, the others go on. An export (.json) in the
    place of recordings brings them along, as columns in its task data or as http(s) addresses.

    Example: labeltrail import recordings/ --labels tasks.json
    """
    from pipelines.import_ import import_recordings

    done = import_recordings(_project(), path, labels, label_config)
    text = [
        f"{'left out' if f.fatal else 'note'}: {f.where}: {f.what}\n  next: {f.cure}" for f in done.findings
    ]
    text.append(
        f"recordings: {done.added} added, {done.changed} changed, {done.unchanged} unchanged, "
        f"{done.refused} refused; annotations: {done.annotations} added, {done.known} already there"
    )
    text.append(f"look at them: {done.url}")
    _say(as_json, done.to_json(), text)
    _next(as_json, "labeltrail sync")


@app.command()
def sync(as_json: Json = False) -> None:
    """Make bucket, Label Studio and label commit agree again.

    Example: labeltrail sync
    """
    from pipelines.sync import sync as bring_together

    done = bring_together(_project())
    _say(as_json, done.to_json(), done.lines())
    _next(as_json, "dvc repro" if done.commit else "label in Label Studio, then labeltrail sync")


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(help="Folder with series/*.csv and tasks.json; else simulated recordings.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the whole loop once in this clone: servers, recordings, labels, training, predictions.

    Example: labeltrail demo --data ~/recordings
    """
    from pipelines.demo import demo as show

    project = _project()
    done = show(project, data)
    _say(as_json, done.to_json(), done.lines(project.root))


@app.command()
def trace(
    thing: Annotated[str, typer.Argument(help="Prediction, model, label commit, series or annotation.")],
    as_json: Json = False,
) -> None:
    """Say where a thing came from and what came of it.

    A prediction is named by its number in Label Studio, a model by its hash or model version, a label commit
    by any git revision.

    Example: labeltrail trace HEAD
    """
    from pipelines.trace import trace as follow

    found = follow(_project(), thing)
    _say(as_json, found.to_json(), found.lines())


def help_texts(width: int = 100) -> Iterator[tuple[str, str]]:
    """Name and `--help` of the program and of each command, in order: what docs/cli.md is made of."""
    group = cast(typer.core.TyperGroup, typer.main.get_command(app))
    for name, command in [("", group), *group.commands.items()]:
        called = f"labeltrail {name}".strip()
        context = command.context_class(
            command, info_name=called, terminal_width=width, max_content_width=width
        )
        yield called, command.get_help(context)


def _project() -> Project:
    from storage.project import Project

    return Project.here()


def _say(as_json: bool, value: dict[str, Any], lines: list[str]) -> None:
    if as_json:
        print(json.dumps({"version": 1} | value, indent=1, sort_keys=True, ensure_ascii=False))
    else:
        print("\n".join(lines))


def _next(as_json: bool, command: str) -> None:
    if not as_json:
        print(f"next: {command}")


if __name__ == "__main__":
    main()
