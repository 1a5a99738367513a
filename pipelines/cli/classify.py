"""Commands for whole series: those in CSV files need no project, git or Label Studio."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipelines.cli.app import Json, app, next_step, say
from storage.printable import argument

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(group, name="classify")

Overrides = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="Instead of that in params.yaml; may be repeated."),
]
TableTask = Annotated[
    Literal["binary", "multiclass", "multilabel"] | None,
    typer.Option(help="What the y columns say; if left out, as they have it."),
]


@group.callback()
def about() -> None:
    """Tell what whole series are: train a model on a CSV file, let it answer; tune it, or that of a project.

    Example: labeltrail classify train train.csv --model model
    """


@group.command()
def train(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TRAIN.CSV",
            help="CSV, a row a series: its class, or y* columns (0 or 1), and x* columns; UCR's .tsv, ARFF, .ts too.",
        ),
    ],
    model: Annotated[Path, typer.Option(help="Folder for the model; one that is there is replaced.")],
    valid: Annotated[
        Path | None, typer.Option(help="Series that are not learnt from: how well does it go?")
    ] = None,
    start: Annotated[
        Path | None, typer.Option("--from", metavar="MODEL", help="Folder of a model to go on from.")
    ] = None,
    task: TableTask = None,
    param: Overrides = None,
    as_json: Json = False,
) -> None:
    """Train an LSTM-FCN on the series of a CSV file.

    All series have one length and no gaps. Params are those of `train.classifier` in the params.yaml of the current
    folder, else Labeltrail's own.

    Example: labeltrail classify train train.csv --valid valid.csv --model model --param epochs=50
    """
    from pipelines.classify.train import train as teach

    done = teach(table, model, valid=valid, start=start, task=task, overrides=param or ())
    say(as_json, done.to_json(), done.lines())
    next_step(as_json, f"labeltrail classify predict {argument(model)} X.csv --output OUT.csv")


@group.command()
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of the model.")],
    table: Annotated[
        Path, typer.Argument(metavar="X.CSV", help="CSV, a row a series: the x* columns of the training.")
    ],
    output: Annotated[Path, typer.Option(help="CSV for the answers: y* (0 or 1) and p* (probabilities).")],
    as_json: Json = False,
) -> None:
    """Let a model say what the series of a CSV file are, in the order of its rows.

    A series is answered alike alone and among others, to the last bit. Where the file has y* columns, it is said how
    often they agree.

    Example: labeltrail classify predict model x.csv --output answers.csv
    """
    from pipelines.classify.train import predict as answer

    done = answer(model, table, output)
    say(as_json, done.to_json(), done.lines())
    next_step(
        as_json,
        f"labeltrail classify train TRAIN.csv --from {argument(model)} --model FOLDER goes on from it",
    )


@group.command()
def tune(
    table: Annotated[
        Path | None,
        typer.Argument(
            metavar="TRAIN.CSV",
            help="CSV, a row a series: y* columns (0 or 1) and x* columns. If left out, the project's train set.",
        ),
    ] = None,
    valid: Annotated[
        Path | None,
        typer.Option(help="Series to judge by; if left out, each part of TRAIN.CSV is judged by the others."),
    ] = None,
    task: TableTask = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials in all, those of an earlier run included.")
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(
            help="File of the trials; if left out, study.json beside the model or here; of a project, one in "
            "data/tuning."
        ),
    ] = None,
    write: Annotated[
        Path | None, typer.Option(metavar="PARAMS.YAML", help="File to write the best params into.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Folder for a model trained by the best params.")] = None,
    as_json: Json = False,
) -> None:
    """Look for better params of the LSTM-FCN, for the series of a CSV file or of this project.

    Without TRAIN.CSV it learns from the train set of data/dataset and judges by its validation set, or where that is
    empty by parts of the train set. Ranges, steps of a trial and the seed are in the params.yaml of the current
    folder (`tuning`), else Labeltrail's own. A tuning that was cut off goes on where it was when the command is run
    again. Keep the test set of a table away from it; that of a project is never read.

    Example: labeltrail classify tune --trials 30 --write params.yaml
    """
    from pipelines.tune.search import tune as look

    done = look(table, valid=valid, task=task, trials=trials, study=study, write=write, model=model)
    say(as_json, done.to_json(), done.lines())
    next_step(as_json, done.next_command())


@group.command()
def trial(
    number: Annotated[
        int, typer.Argument(metavar="NUMBER", help="Of the trial, as the table of `tune` has it.")
    ],
    table: Annotated[
        Path | None,
        typer.Argument(
            metavar="TRAIN.CSV", help="CSV that it learnt from. If left out, the project's train set."
        ),
    ] = None,
    valid: Annotated[Path | None, typer.Option(help="CSV that it was judged by.")] = None,
    study: Annotated[
        Path | None,
        typer.Option(help="File of the trials; if left out, the one that `tune` would go on with."),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="PARAMS.YAML", help="File to write all its params into, steps and seed among them."
        ),
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Folder for its model.")] = None,
    as_json: Json = False,
) -> None:
    """Have one trial of a tuning again: which labels it learnt from, its params, its model.

    After --write, `dvc repro` makes that model and no other; --model makes it beside the project's own.

    Example: labeltrail classify trial 16 --write params.yaml
    """
    from pipelines.tune.rerun import rerun

    done = rerun(number, table, valid=valid, study=study, write=write, model=model)
    say(as_json, done.to_json(), done.lines())
    next_step(as_json, done.next_command())
