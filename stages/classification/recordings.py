"""The labeled recordings of a set, as a classifier takes them."""

from __future__ import annotations

import numpy as np

from stages.model.judging import Labeled
from storage import arrays, dataset
from storage.errors import InputError


def labeled(index: dataset.Index, name: str) -> Labeled | None:
    """The labeled series of a set; None where there are none.

    Raises:
        InputError: ingest has run since with other channels.
    """
    if arrays.read_index().channels != index.channels:
        raise InputError("data/dataset is older than data/arrays", where=str(dataset.PATH), cure="dvc repro")
    keys = index.of(name)
    if not keys:
        return None
    values = np.stack([arrays.values(key).T for key in keys])
    truth = [[label in index.series[key].choices for label in index.labels] for key in keys]
    return Labeled(values, np.array(truth, bool))
