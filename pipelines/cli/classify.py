"""Commands that classify whole series; with CSV files they need no project, git or Label Studio."""

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
    """Classify whole series: train, predict and tune with CSV files.

    No project, git or Label Studio is needed. `tune` and `trial` also work on the dataset of a project.

    Example: labeltrail classify train train.csv --model model
    """


@group.command()
def train(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TRAIN.CSV",
            help="CSV, one series per row: a class or y* columns (0 or 1), and x* columns; or .tsv, ARFF, .ts.",
        ),
    ],
    model: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder for the model; an existing model is replaced.")
    ],
    valid: Annotated[
        Path | None, typer.Option(metavar="VALID.CSV", help="Validation split, to score the model on.")
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", metavar="MODEL", help="Folder of the model to continue training from."),
    ] = None,
    task: TableTask = None,
    param: Overrides = None,
    as_json: Json = False,
) -> None:
    """Train an LSTM-FCN on the series of a CSV file.

    All series must have the same length and no missing values. Params are read from `train.classifier` in the
    params.yaml of the current folder; without this file, Labeltrail's defaults are used.

    Example: labeltrail classify train train.csv --valid valid.csv --model model --param epochs=50
    """
    from pipelines.classify.train import train as train_model

    result = train_model(table, model, valid=valid, start=start, task=task, overrides=param or ())
    say(as_json, result.to_json(), result.lines())
    next_step(as_json, f"labeltrail classify predict {argument(model)} X.csv --output OUT.csv")


@group.command()
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of the model.")],
    table: Annotated[
        Path, typer.Argument(metavar="X.CSV", help="CSV, one series per row: the x* columns of the training.")
    ],
    output: Annotated[
        Path,
        typer.Option(metavar="OUT.CSV", help="CSV for the predictions: y* (0 or 1) and p* (probabilities)."),
    ],
    as_json: Json = False,
) -> None:
    """Predict the series of a CSV file, in the order of its rows.

    The prediction of a series does not depend on the other rows. If the file has y* columns, the accuracy is
    printed.

    Example: labeltrail classify predict model x.csv --output predictions.csv
    """
    from pipelines.classify.predict import predict as predict_table

    result = predict_table(model, table, output)
    say(as_json, result.to_json(), result.lines())
    next_step(
        as_json,
        f"labeltrail classify train TRAIN.csv --from {argument(model)} --model FOLDER (continues training)",
    )


@group.command()
def tune(
    table: Annotated[
        Path | None,
        typer.Argument(
            metavar="TRAIN.CSV",
            help="CSV, one series per row, with y* and x* columns; if left out, the project's train split.",
        ),
    ] = None,
    valid: Annotated[
        Path | None,
        typer.Option(
            metavar="VALID.CSV", help="Validation split; if left out, cross-validation on TRAIN.CSV."
        ),
    ] = None,
    task: TableTask = None,
    trials: Annotated[
        int | None,
        typer.Option(min=1, metavar="NUMBER", help="Trials in total, including those of earlier runs."),
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(
            metavar="STUDY.JSON",
            help="File of the trials. If left out: study.json in the folder of the model or in the current folder; "
            "for a project, a file in data/tuning.",
        ),
    ] = None,
    write: Annotated[
        Path | None, typer.Option(metavar="PARAMS.YAML", help="File to write the best params into.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for a model trained with the best params.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tune the params of the LSTM-FCN on a CSV file or this project.

    Without TRAIN.CSV, trials are trained on the train split of data/dataset and scored on its validation split, or
    by cross-validation if it has none. Ranges, steps per trial and the seed are read from `tuning` in the
    params.yaml of the current folder; without this file, Labeltrail's defaults are used. If the command was
    interrupted, run it again: it resumes. TRAIN.CSV must not contain your test split; that of a project is never
    read.

    Example: labeltrail classify tune --trials 30 --write params.yaml
    """
    from pipelines.tune.search import tune as search

    result = search(table, valid=valid, task=task, trials=trials, study=study, write=write, model=model)
    say(as_json, result.to_json(), result.lines())
    next_step(as_json, result.next_command())


@group.command()
def trial(
    number: Annotated[
        int, typer.Argument(metavar="NUMBER", help="Number of the trial, as `tune` prints it.")
    ],
    table: Annotated[
        Path | None,
        typer.Argument(
            metavar="TRAIN.CSV",
            help="CSV that the trial was trained on. If left out, the project's train split.",
        ),
    ] = None,
    valid: Annotated[
        Path | None, typer.Option(metavar="VALID.CSV", help="CSV that the trial was validated on.")
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(
            metavar="STUDY.JSON", help="File of the trials; if left out, the one that `tune` would resume."
        ),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="PARAMS.YAML", help="File to write all params of the trial into, also steps and seed."
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for the model of the trial.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Reproduce one trial of a tuning: labels, params, model.

    After --write, `dvc repro` trains the same model again; --model trains it without changing the project's model.

    Example: labeltrail classify trial 16 --write params.yaml
    """
    from pipelines.tune.rerun import rerun

    result = rerun(number, table, valid=valid, study=study, write=write, model=model)
    say(as_json, result.to_json(), result.lines())
    next_step(as_json, result.next_command())
