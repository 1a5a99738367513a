"""What a classifier's convolutions multiply: as asked for, or what the processor is fast at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from stages.classification.inference import predict_recordings
from stages.classification.model import Classifier, Scaling, TaskSpec
from stages.classification.network import LstmFcn, Shape
from stages.training import devices
from stages.training.devices import Precision
from storage.errors import InputError

VALUES = np.random.default_rng(0).normal(size=(40, 2, 50)).astype(np.float32)


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bool]]:
    """What the processor is said to be able to."""
    able: dict[str, bool] = {}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    devices.supports_bf16.cache_clear()
    yield able
    devices.supports_bf16.cache_clear()


def classifier(precision: Precision, kernels: tuple[int, int, int] = (8, 5, 3)) -> Classifier:
    """With weights and statistics that are not those of the start."""
    torch.manual_seed(0)
    network = LstmFcn(Shape(2, 50, 3, 2, 8, 0.5, (16, 24, 16), kernels, precision))
    scaling = Scaling.fit(VALUES, "series")
    network.update_batch_norm(torch.from_numpy(scaling(VALUES)), 10)
    return Classifier(network, scaling, TaskSpec("multiclass", ("a", "b", "c"), ("x", "y")))


@pytest.mark.parametrize(
    ("able", "asked", "device", "found"),
    [
        ("avx512_bf16", None, "cpu", "bfloat16"),
        ("amx_bf16", None, "cpu", "bfloat16"),
        ("avx2", None, "cpu", "float32"),
        ("avx512_bf16", "float32", "cpu", "float32"),
        ("avx512_bf16", None, "cuda", "float32"),
        ("avx2", "bfloat16", "cuda", "bfloat16"),
    ],
)
def test_what_is_fast_where_nothing_is_asked_for(
    processor: dict[str, bool], able: str, asked: Precision | None, device: str, found: str
) -> None:
    processor[able] = True
    assert devices.precision(asked, device) == found


def test_a_processor_that_would_take_ages_is_not_asked(processor: dict[str, bool]) -> None:
    processor["avx2"] = True
    with pytest.raises(InputError) as refused:
        devices.precision("bfloat16", "cpu")
    assert "train.precision: null" in str(refused.value.cure)


def test_both_say_about_the_same_and_keep_it(processor: dict[str, bool]) -> None:
    processor["avx512_bf16"] = True
    fine, coarse = (classifier(each).probabilities(VALUES) for each in ("float32", "bfloat16"))
    assert (fine != coarse).any()
    np.testing.assert_allclose(coarse, fine, atol=0.02)
    again = Classifier.from_checkpoint(classifier("bfloat16").to_checkpoint({}))
    assert again.network.shape.precision == "bfloat16"
    np.testing.assert_array_equal(again.probabilities(VALUES), coarse)


def test_a_model_is_used_where_it_could_not_be_trained(processor: dict[str, bool]) -> None:
    processor["avx2"] = True
    fine, coarse = (classifier(each).probabilities(VALUES) for each in ("float32", "bfloat16"))
    np.testing.assert_array_equal(coarse, fine)


@pytest.mark.parametrize("kernels", [(8, 5, 3), (1, 2, 4), (3, 60, 99)])
def test_answers_are_those_of_the_network_that_was_trained(kernels: tuple[int, int, int]) -> None:
    model = classifier("float32", kernels)
    inputs = torch.from_numpy(model.scaling(VALUES))
    with torch.no_grad():
        plain = model.network.eval()(inputs).softmax(1).numpy()
    assert plain.std() > 0.01
    np.testing.assert_allclose(model.probabilities(VALUES), plain, atol=1e-5)


def test_what_no_number_can_be_said_of_is_named_and_the_others_are_answered() -> None:
    model = classifier("float32")
    model = replace(model, scaling=Scaling("train", (0.0, 0.0), (1e-3, 1e-3)))
    recordings = [("a", VALUES[0].T), ("b", np.full_like(VALUES[1].T, 3e38)), ("c", VALUES[2].T)]
    asked = predict_recordings(model, recordings)
    assert asked.keys == ("a", "c")
    assert list(asked.unfit) == ["b"]
    assert np.isfinite(asked.probabilities).all()
