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
    typer.Option("--param", metavar="NAME=VALUE", help="Override a param of params.yaml; may be repeated."),
]
TableTask = Annotated[
    Literal["binary", "multiclass", "multilabel"] | None,
    typer.Option(help="Task of the y columns; inferred if left out."),
]


@group.callback()
def about() -> None:
    """Classify whole series: train a model on a CSV file, predict with it; tune it, or that of a project.

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
    model: Annotated[Path, typer.Option(help="Folder for the model; an existing one is replaced.")],
    valid: Annotated[Path | None, typer.Option(help="Validation split, to score the model on.")] = None,
    start: Annotated[
        Path | None, typer.Option("--from", metavar="MODEL", help="Folder of a model to continue from.")
    ] = None,
    task: TableTask = None,
    param: Overrides = None,
    as_json: Json = False,
) -> None:
    """Train an LSTM-FCN on the series of a CSV file.

    All series must have the same length and no missing values. Params are those of `train.classifier` in the
    params.yaml of the current folder, else Labeltrail's own.

    Example: labeltrail classify train train.csv --valid valid.csv --model model --param epochs=50
    """
    from pipelines.classify.train import train as train_model

    done = train_model(table, model, valid=valid, start=start, task=task, overrides=param or ())
    say(as_json, done.to_json(), done.lines())
    next_step(as_json, f"labeltrail classify predict {argument(model)} X.csv --output OUT.csv")


@group.command()
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of the model.")],
    table: Annotated[
        Path, typer.Argument(metavar="X.CSV", help="CSV, a row a series: the x* columns of the training.")
    ],
    output: Annotated[
        Path, typer.Option(help="CSV for the predictions: y* (0 or 1) and p* (probabilities).")
    ],
    as_json: Json = False,
) -> None:
    """Predict the series of a CSV file, in the order of its rows.

    The prediction of a series does not depend on the other rows, to the last bit. With y* columns in the file, the
    accuracy is printed.

    Example: labeltrail classify predict model x.csv --output answers.csv
    """
    from pipelines.classify.predict import predict as predict_table

    done = predict_table(model, table, output)
    say(as_json, done.to_json(), done.lines())
    next_step(
        as_json,
        f"labeltrail classify train TRAIN.csv --from {argument(model)} --model FOLDER continues training it",
    )


@group.command()
def tune(
    table: Annotated[
        Path | None,
        typer.Argument(
            metavar="TRAIN.CSV",
            help="CSV, a row a series: y* columns (0 or 1) and x* columns. If left out, the project's train split.",
        ),
    ] = None,
    valid: Annotated[
        Path | None,
        typer.Option(help="Validation split; if left out, cross-validation on TRAIN.CSV."),
    ] = None,
    task: TableTask = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials in total, those of earlier runs included.")
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
    model: Annotated[
        Path | None, typer.Option(help="Folder for a model trained with the best params.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tune the params of the LSTM-FCN on the series of a CSV file or of this project.

    Without TRAIN.CSV trials are trained on the train split of data/dataset and scored on its validation split or,
    where that is empty, by cross-validation. Ranges, steps of a trial and the seed are in the params.yaml of the
    current folder (`tuning`), else Labeltrail's own. An interrupted tuning resumes when the command is run again.
    Keep the test split of a table out of it; that of a project is never read.

    Example: labeltrail classify tune --trials 30 --write params.yaml
    """
    from pipelines.tune.search import tune as search

    done = search(table, valid=valid, task=task, trials=trials, study=study, write=write, model=model)
    say(as_json, done.to_json(), done.lines())
    next_step(as_json, done.next_command())


@group.command()
def trial(
    number: Annotated[
        int, typer.Argument(metavar="NUMBER", help="Number of the trial in the table of `tune`.")
    ],
    table: Annotated[
        Path | None,
        typer.Argument(
            metavar="TRAIN.CSV", help="CSV that it was trained on. If left out, the project's train split."
        ),
    ] = None,
    valid: Annotated[Path | None, typer.Option(help="CSV that it was validated on.")] = None,
    study: Annotated[
        Path | None,
        typer.Option(help="File of the trials; if left out, the one that `tune` would resume."),
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
    """Reproduce one trial of a tuning: its labels, its params, its model.

    After --write, `dvc repro` trains that very model; --model trains it without touching the project's.

    Example: labeltrail classify trial 16 --write params.yaml
    """
    from pipelines.tune.rerun import rerun

    done = rerun(number, table, valid=valid, study=study, write=write, model=model)
    say(as_json, done.to_json(), done.lines())
    next_step(as_json, done.next_command())
