"""Commands for the model that training starts from."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.app import Json, app, next_step, project_here, say


@app.command("start-from")
def start_from(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="`best`, a model version or hash, a git revision (the best model of its labels), or a folder.",
        ),
    ] = "",
    with_params: Annotated[
        bool, typer.Option("--params", help="Also copy the network params of the model to train.classifier.")
    ] = False,
    none: Annotated[bool, typer.Option("--none", help="Train from scratch again.")] = False,
    as_json: Json = False,
) -> None:
    """Continue training from the weights of an earlier model.

    The model is copied to data/start, and its hash is written to params.yaml (train.start). Commit params.yaml and
    data/start.dvc: every clone then trains the same model. Only for whole recordings (<Choices>). Labels, channels,
    length and network params of the project must be those of the model; --params copies the network params.

    Example: labeltrail start-from best
    """
    from pipelines.start_from import scratch
    from pipelines.start_from import start_from as set_start

    if bool(model) == none or (none and with_params):
        raise typer.BadParameter("name a model, or give --none")
    project = project_here()
    result = scratch(project.repository) if none else set_start(project, model, configured=with_params)
    say(as_json, result.to_json(), result.lines())
    keep = f"; git add {' '.join(result.changed)}; git commit" if result.changed else ""
    next_step(as_json, f"dvc repro{keep}")
