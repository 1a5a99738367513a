"""The labeled recordings of a set, as a classifier takes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stages.classification.loss import Labeled
from storage.artifacts import arrays, dataset
from storage.errors import InputError


def labeled(index: dataset.Index, name: str) -> Labeled | None:
    """The labeled series of a set; None where there are none.

    Raises:
        InputError: ingest has run since with other channels.
    """
    ingested = arrays.read_index()
    keys = index.of(name)
    if ingested.channels != index.channels or not ingested.series.keys() >= {*keys}:
        raise InputError(
            "data/dataset is older than data/arrays", where=str(dataset.PATH), cure=dataset.REMAKE
        )
    if not keys:
        return None
    values = np.stack([_values(key, ingested, index.size).T for key in keys])
    truth = [[label in index.series[key].choices for label in index.labels] for key in keys]
    return Labeled(values, np.array(truth, bool))


def _values(key: str, ingested: arrays.Index, length: int) -> NDArray[np.float32]:
    values, _ = arrays.of(key, ingested)
    if len(values) != length:
        why = f"it has {len(values):,} timepoints, the dataset takes {length:,}"
        raise InputError("data/dataset is older than data/arrays", where=key, why=why, cure=dataset.REMAKE)
    return values
