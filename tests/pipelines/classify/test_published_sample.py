"""The sample data of the published algorithm, with its own small network; made-up files of its form beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipelines.classify import predict, train
from tests.pipelines.classify.test_classify import SHAPES, one_hot, rows, table

FG = Path(__file__).parents[4] / "shared/datasets/lstm-fcn-sagemaker"


def made_up(folder: Path) -> Path:
    """Files as those of the published sample, of as many series: three shapes, always at the same phase."""
    folder.mkdir()
    turns = np.linspace(0, 12, 100)
    for name, count, seed in (("train", 700, 0), ("valid", 150, 1), ("test_data", 150, 2)):
        kinds = np.arange(count) % 3
        noise = np.random.default_rng(seed).normal(0, 0.3, (count, len(turns)))
        values = np.stack([SHAPES[kind](turns) for kind in kinds]) + noise
        table(folder / f"{name}.csv", values, None if name == "test_data" else one_hot(kinds))
    text = "\n".join(["y_1,y_2,y_3", *(",".join(map(str, row)) for row in one_hot(kinds).astype(int))])
    (folder / "test_labels.csv").write_text(text, encoding="utf-8")
    (folder / "batch_predictions.csv").write_text("y_1,y_2,y_3,p_1,p_2,p_3\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "sample", [None, *filter(Path.exists, [FG])], ids=["made up", "published"][: 1 + FG.exists()]
)
def test_the_published_sample(tmp_path: Path, sample: Path | None) -> None:
    """Its own small network learns it in five epochs; made-up files of its form where the sample is not there."""
    folder = sample or made_up(tmp_path / "sample")
    params = ("epochs=5", "batch-size=64", "hidden-size=8", "filters-1=4", "filters-2=4", "filters-3=4")
    kernels = ("kernel-size-1=3", "kernel-size-2=3", "kernel-size-3=3")
    train.train(
        folder / "train.csv", tmp_path / "m", valid=folder / "valid.csv", overrides=(*params, *kernels)
    )
    predict.predict(tmp_path / "m", folder / "test_data.csv", tmp_path / "out.csv")
    answers = np.genfromtxt(tmp_path / "out.csv", delimiter=",", skip_header=1)
    truth = np.genfromtxt(folder / "test_labels.csv", delimiter=",", skip_header=1)
    theirs = rows(folder / "batch_predictions.csv")[0]
    assert rows(tmp_path / "out.csv")[0] == theirs
    assert (answers[:, :3] == truth).all(1).mean() > 0.98
