"""Params of a classifier on the command line: params.yaml, then the shape of `--from MODEL`, then `--param`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stages import params
from stages.classification.model import Classifier
from storage.errors import InputError, NotFoundError

# For folders without a params.yaml.
CHECKOUT = Path(__file__).parents[2] / params.PATH
# Params outside of `train.classifier` that also affect its training.
BESIDE = ("device", "precision", "seed")
SPELLINGS = {"learning_rate": "lr"}


def choose(overrides: Sequence[str], earlier: Classifier | None = None) -> params.Train:
    """The params of a training.

    Args:
        overrides: NAME=VALUE, with dashes or underscores; the last value of a name wins.
        earlier: the model to continue from, which sets the params of the network's shape.

    Raises:
        InputError: unknown params or values that are not allowed; lists all of them.
    """
    settings = params.load(params.PATH if params.PATH.exists() else CHECKOUT).train
    value = settings.model_dump()
    value["classifier"] |= shape_of(earlier) if earlier else {}
    pairs = dict(_pair(text) for text in overrides)
    for name, text in pairs.items():
        section = value if name in BESIDE else value["classifier"]
        section[name] = None if text.lower() in ("null", "none") else text
    try:
        return params.Train.model_validate(value)
    except ValidationError as error:
        lines = [_describe(str(problem["loc"][-1]), problem) for problem in error.errors()]
        what = [f"{len(lines)} problem(s) in the params:", *lines]
        raise InputError(what, where="--param", cure="give allowed values") from error


def check_params_file(path: Path) -> None:
    """Check that params can be written into a file.

    Raises:
        NotFoundError: it does not exist.
        InputError: it is no valid params.yaml.
    """
    if not path.is_file():
        why = "values are replaced in an existing file"
        cure = f"cp {CHECKOUT} {path}, or leave out --write: the params are then printed as --param"
        raise NotFoundError(f"there is no {path} to write into", where=str(path), why=why, cure=cure)
    params.load(path)


def shape_of(model: Classifier) -> dict[str, Any]:
    """The params of a model's network shape and scaling."""
    shape = model.network.shape
    numbered = {
        f"{name}_{i}": value
        for name, values in (("filters", shape.filters), ("kernel_size", shape.kernels))
        for i, value in enumerate(values, 1)
    }
    return {"num_layers": shape.layers, "hidden_size": shape.hidden, "scaling": model.scaling.by, **numbered}


def _pair(text: str) -> tuple[str, str]:
    spelled, equals, value = text.partition("=")
    name = spelled.strip().lower().replace("-", "_")
    name = SPELLINGS.get(name, name)
    if not equals or not value.strip():
        what = f"{text!r} is not a param"
        raise InputError(what, where="--param", why="it is not NAME=VALUE", cure="--param hidden-size=32")
    known = [*params.Classifier.model_fields, *BESIDE]
    if name not in known:
        cure = "one of " + ", ".join(each.replace("_", "-") for each in known)
        raise InputError(f"{spelled.strip()!r} is no param of a classifier", where="--param", cure=cure)
    return name, value.strip()


def _describe(name: str, problem: Any) -> str:
    fields = params.Train.model_fields if name in BESIDE else params.Classifier.model_fields
    rule = str(problem["msg"]).removeprefix("Input ")
    return f"{name} is {problem['input']!r}: it {rule}; {fields[name].description}"
