"""Params of a classifier as a command has them.

Those of params.yaml; above them the shape of a model that training goes on from; above both `--param NAME=VALUE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stages import params
from stages.classification.model import Classifier
from storage.errors import InputError, NotFoundError

# For folders that have no params.yaml of their own.
CHECKOUT = Path(__file__).parents[2] / params.PATH
# Params beside the classifier's own that it is trained by too.
BESIDE = ("device", "precision", "seed")
SPELLINGS = {"learning_rate": "lr"}


def choose(overrides: Sequence[str], earlier: Classifier | None = None) -> params.Train:
    """The params to train by.

    Args:
        overrides: NAME=VALUE, names with dashes or underscores; the last of a name counts.
        earlier: a model whose network is taken over, and with it the params that shape it.

    Raises:
        InputError: no such param, or a value that is not allowed; names all of them.
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
        lines = [_in_words(str(problem["loc"][-1]), problem) for problem in error.errors()]
        what = [f"{len(lines)} problem(s) in the params:", *lines]
        raise InputError(what, where="--param", cure="give values that are allowed") from error


def check_params_file(path: Path) -> None:
    """Params can be written into a file: it is there, and has those that there are.

    Raises:
        NotFoundError: it is not there.
        InputError: it holds no params, or others.
    """
    if not path.is_file():
        why = "values are put in the place of those that are there"
        cure = f"cp {CHECKOUT} {path}, or leave --write out: then they are told as --param"
        raise NotFoundError(f"there is no {path} to write into", where=str(path), why=why, cure=cure)
    params.load(path)


def shape_of(model: Classifier) -> dict[str, Any]:
    """The params by which a model has the network and the scaling that it has."""
    shape = model.network.shape
    numbered = {
        f"{name}_{i}": value
        for name, values in (("filters", shape.filters), ("kernel_size", shape.kernels))
        for i, value in enumerate(values, 1)
    }
    return {
        "num_layers": shape.layers,
        "hidden_size": shape.hidden,
        "scaling": model.scaling.by,
        **numbered,
    }


def _pair(text: str) -> tuple[str, str]:
    spelled, equals, value = text.partition("=")
    name = spelled.strip().lower().replace("-", "_")
    name = SPELLINGS.get(name, name)
    if not equals or not value.strip():
        what = f"{text!r} sets no param"
        raise InputError(what, where="--param", why="it is not NAME=VALUE", cure="--param hidden-size=32")
    known = [*params.Classifier.model_fields, *BESIDE]
    if name not in known:
        cure = "one of " + ", ".join(each.replace("_", "-") for each in known)
        raise InputError(f"{spelled.strip()!r} is no param of a classifier", where="--param", cure=cure)
    return name, value.strip()


def _in_words(name: str, problem: Any) -> str:
    fields = params.Train.model_fields if name in BESIDE else params.Classifier.model_fields
    rule = str(problem["msg"]).removeprefix("Input ")
    return f"{name} is {problem['input']!r}: it {rule}; {fields[name].description}"
