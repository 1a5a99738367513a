"""The network and its training: shapes, missing values, memory, determinism, and when it stops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from stages.segmentation import model
from stages.segmentation.batches import Batches, Plan, cuts, fractions, rarity
from stages.segmentation.model import predict
from stages.segmentation.network import STRIDES, Network, Shape
from stages.segmentation.scaling import Scaler, fill, level
from stages.segmentation.targets import Example
from stages.segmentation.training_loop import Epoch, soft_cross_entropy, train_network, validate
from storage.errors import InputError

SHAPE = Shape(front_end=True, channels=2, classes=3, step=4, widths=(1, 3), hidden=8, dropout=0.1)
PLAN = Plan(
    size=64, stride=64, epochs=3, patience=9, enough_balanced_accuracy=1.0, enough_worst_f1=1.0, batch_size=4,
    min_batches=4, learning_rate=0.01, weight_decay=0.01, class_weights=True, flip=0.1, splice=0.3,
    shuffle=0.5, seed=0, refit=False, front_end=True, hidden_size=8, dropout=0.1, device="cpu",
)  # fmt: skip

AS_IT_IS = Scaler((0.0, 0.0), (1.0, 1.0), (0, 0), 4)


def example(rows: int = 200, seed: int = 0) -> Example:
    """Class 1 where the first channel is high, class 2 where the second is."""
    rng = np.random.default_rng(seed)
    target = np.repeat(rng.integers(0, 3, rows // 20 + 1), 20)[:rows].astype(np.int16)
    values = rng.normal(0, 0.3, (rows, 2)).astype(np.float32)
    values[target == 1, 0] += 3
    values[target == 2, 1] += 3
    return Example(values, target, tuple(range(0, max(rows - 63, 1), 64)))


def train(validation: list[Example], **changes: object):
    examples = [example(seed=n) for n in range(3)]
    seen: list[Epoch] = []
    scaler = Scaler.fit([e.values for e in examples], 4)
    plan = PLAN.model_copy(update=changes)
    shape = replace(SHAPE, front_end=plan.front_end)
    return train_network(examples, validation, scaler, shape, plan, seen.append), seen


@pytest.mark.parametrize("front_end", [True, False])
@pytest.mark.parametrize("step", STRIDES)
@pytest.mark.parametrize("steps", [1, 2, 7, 40])
def test_one_answer_for_each_step(step: int, steps: int, front_end: bool):
    network = Network(replace(SHAPE, step=step, front_end=front_end)).eval()
    assert network(torch.zeros(2, 2, steps * step), torch.zeros(2, 2, steps)).shape == (2, 3, steps)


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 2047, 2048, 2049, 5000])
def test_every_recording_gets_probabilities(rows: int):
    network = Network(SHAPE).eval()
    found = predict(network, AS_IT_IS, np.random.default_rng(0).normal(size=(rows, 2)).astype(np.float32))
    assert found.shape == (-(-rows // 4), 3)
    assert found.sum(1) == pytest.approx(np.ones(len(found)), abs=1e-5)


@pytest.mark.parametrize("rows", [4, 2049, 6001])
def test_the_answer_does_not_depend_on_how_much_is_looked_at_together(
    rows: int, monkeypatch: pytest.MonkeyPatch
):
    torch.manual_seed(0)
    network = Network(SHAPE).eval()
    values = np.random.default_rng(0).normal(size=(rows, 2)).astype(np.float32)
    values[rows // 2 : rows // 2 + 9] = np.nan
    together = predict(network, AS_IT_IS, values)
    monkeypatch.setattr(model, "BATCH", 1)
    assert np.abs(predict(network, AS_IT_IS, values) - together).max() < 1e-6


def test_windows_of_prediction_agree_with_the_whole(monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    network = Network(SHAPE).eval()
    values = np.random.default_rng(0).normal(size=(6000, 2)).astype(np.float32)
    chunked = predict(network, AS_IT_IS, values)
    monkeypatch.setattr(model, "CHUNK", 10_000)
    assert np.abs(predict(network, AS_IT_IS, values) - chunked).max() < 0.01


def test_training_learns_and_restores_the_best_epoch():
    validation = [example(seed=9)]
    found, seen = train(validation, epochs=12, min_batches=12)
    assert found.history == tuple(seen)
    assert found.best.worst_f1 is not None
    assert found.best.worst_f1 > 0.8
    scaler = Scaler.fit([example(seed=n).values for n in range(3)], 4)
    again = validate(found.network, scaler, [(e.values, e.target) for e in validation], 0, 0.0)
    assert (again.balanced_accuracy, again.worst_f1) == (found.best.balanced_accuracy, found.best.worst_f1)


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    first, second, other = (train([], seed=seed)[0].network.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_plain_lstm_sees_the_values_of_each_step_and_learns_from_them():
    network = Network(replace(SHAPE, front_end=False))
    assert network.lstm.input_size == SHAPE.channels * SHAPE.step
    frames = network.front_end(torch.arange(16.0).reshape(1, 2, 8), torch.zeros(1, 2, 2))
    assert frames[0, :, 1].tolist() == [4, 5, 6, 7, 12, 13, 14, 15]
    fitted, _ = train([example(seed=9)], epochs=20, front_end=False)
    assert fitted.best.balanced_accuracy and fitted.best.balanced_accuracy > 0.8


def test_without_a_gpu_training_on_one_is_refused_with_the_param(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="no GPU") as refused:
        train([], device="cuda")
    assert "train.device: cpu" in str(refused.value.cure)


def test_without_a_validation_set_the_whole_schedule_is_run():
    found, seen = train([])
    assert (len(seen), found.best.number, found.stopped) == (3, 3, "schedule")
    assert (found.best.balanced_accuracy, found.best.worst_f1) == (None, None)


def test_patience():
    flat = example(seed=9)
    unlearnable = replace(flat, values=np.zeros_like(flat.values), target=np.full(200, 2, np.int16))
    found, seen = train([unlearnable], epochs=9, patience=2)
    assert (len(seen), found.stopped) == (3, "patience")


@pytest.mark.parametrize("target", [-1, 0])
def test_a_validation_set_with_nothing_to_find_stops_nothing(target: int):
    found, seen = train(
        [replace(example(seed=9), target=np.full(200, target, np.int16))], epochs=9, patience=2
    )
    assert (len(seen), found.stopped) == (9, "schedule")
    assert {(epoch.balanced_accuracy, epoch.worst_f1) for epoch in seen} == {(None, None)}


def test_a_loss_that_is_no_number_stops_training_with_the_reason():
    with pytest.raises(InputError) as caught:
        train([], learning_rate=1e38)
    assert "epoch 1" in caught.value.where
    assert "1e+38" in caught.value.why
    assert "train.learning_rate" in caught.value.cure


@pytest.mark.parametrize("rows", [1, 3, 200])
def test_one_window_of_one_step_is_trained_on(rows: int):
    scaler = Scaler.fit([example().values], 4)
    plan = PLAN.model_copy(update={"size": 1, "stride": 1, "batch_size": 1})
    found = train_network([replace(example(rows), starts=(0,))], [], scaler, SHAPE, plan, lambda _: None)
    assert np.isfinite(found.best.loss)


def test_enough_stops_only_when_the_validation_set_has_every_class():
    low = {"epochs": 4, "enough_balanced_accuracy": 0.01, "enough_worst_f1": 0.0001, "min_batches": 12}
    whole, _ = train([example(seed=9)], **low)
    assert whole.stopped == "enough"
    half = example(seed=9)
    found, _ = train([replace(half, target=np.where(half.target == 2, 0, half.target))], **low)
    assert found.stopped == "schedule"


def test_a_channel_whose_0_is_far_away_is_never_turned_over_and_keeps_its_digits():
    values = np.random.default_rng(0).normal((1e4, 1), 1, (200, 2)).astype(np.float32)
    scaler = Scaler.fit([values], 4)
    plan = PLAN.model_copy(update={"flip": 1.0, "shuffle": 0})
    batches = Batches([replace(example(), values=values)], scaler, SHAPE, plan, np.random.default_rng(0))
    batch, levels, _ = next(iter(batches))
    assert set(batch[:, 0].unique().tolist()) <= {0.0, *scaler(values)[:, 0].tolist()}
    assert set(levels[:, 0].unique().tolist()) == {float(level(values, scaler)[0])}
    assert float(batch[:, 1].mean()) < -1


def test_windows_never_cross_two_series():
    low = Example(np.full((100, 2), -1, np.float32), np.zeros(100, np.int16), (0, 36))
    high = Example(np.full((30, 2), 1, np.float32), np.ones(30, np.int16), (0,))
    batches = Batches(
        [low, high],
        AS_IT_IS,
        SHAPE,
        PLAN.model_copy(update={"flip": 0, "batch_size": 1}),
        np.random.default_rng(0),
    )
    for values, _, target in batches:
        there = set(values.unique().tolist())
        assert {-1.0, 1.0} - there  # one series and padding, never both
        for step in range(target.shape[-1]):
            inside = values[0, 0, step * 4 : step * 4 + 4]
            assert target[0, :, step].sum() == pytest.approx(float((inside != 0).float().mean()))


def test_another_order_keeps_pieces_whole():
    target = np.array([0, 0, 1, 1, 1, 0, 0, 2, 2, 3, 3, -1, -1, 0], np.int16)
    assert cuts(target) == [0, 1, 6, 9, 12, 13, 14]
    known = replace(example(), target=np.repeat(np.array([1, 0, 2, 1], np.int16), 50))
    values = np.repeat(np.arange(200, dtype=np.float32)[:, None], 2, axis=1)
    plan = PLAN.model_copy(update={"shuffle": 1.0, "flip": 0})
    batches = Batches([replace(known, values=values)], AS_IT_IS, SHAPE, plan, np.random.default_rng(0))
    next(iter(batches))
    room = batches.size + batches.margin
    rows = batches.values[0][0, room : room + 200]
    assert sorted(rows.tolist()) == list(range(200))
    assert rows.tolist() != list(range(200))
    classes = batches.targets[0][:, room : room + 200].argmax(0).numpy()
    assert np.array_equal(classes, known.target[rows.numpy().astype(int)])
    assert (np.diff(rows.numpy()) != 1).sum() <= 4


def test_scaling_by_hand():
    values = np.array([[1, 5], [3, 5], [np.nan, 5]], np.float32)
    scaler = Scaler.fit([values], 4)
    assert scaler == Scaler((2.0, 5.0), (1.0, 1.0), (0, 0), 4)
    assert scaler(values).tolist() == [[-1, 0], [1, 0], [1, 0]]


@pytest.mark.parametrize("unit", [1, 1e-6, 1e6])
def test_a_channel_that_is_worn_the_other_way_round_is_turned(unit: float):
    def worn(seed: int, way: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        bumps = np.repeat(rng.random(40) < 0.2, 8) * 2.0
        free = rng.normal(size=320)
        return unit * np.stack([way * (bumps - 0.5) + rng.normal(0, 0.01, 320), free], 1).astype(np.float32)

    series = [worn(seed, 1) for seed in range(8)]
    odd = worn(9, -1)
    scaler = Scaler.fit([*series, odd], 8)
    assert scaler.skew[0] == 1
    assert np.array_equal(scaler.orient(odd)[:, 0], -odd[:, 0])
    assert np.array_equal(scaler.orient(series[0]), series[0])
    above = [values + np.array([9 * unit, 0], np.float32) for values in series]
    assert Scaler.fit(above, 8).skew[0] == 0, "its 0 means something"
    assert Scaler.fit(series[:4], 8).skew == (0, 0), "too few to tell"


def test_the_level_is_where_a_recording_moves():
    rng = np.random.default_rng(0)
    values = np.concatenate([np.full((600, 1), 5), 2 + rng.normal(size=(400, 1))]).astype(np.float32)
    assert level(values, replace(AS_IT_IS, mean=(0.0,), deviation=(1.0,), skew=(0,)))[0] == pytest.approx(
        2, abs=0.2
    )


def test_a_large_offset_costs_no_digits():
    values = np.array([[1e6], [1e6 + 1], [1e6 + 2]], np.float32)
    assert Scaler.fit([values], 4).deviation[0] == pytest.approx(np.sqrt(2 / 3))


@pytest.mark.parametrize("far", [1e20, 3.4e38, -3.4e38])
def test_a_number_that_stands_for_none_does_not_silence_a_recording(far: float):
    torch.manual_seed(0)
    values = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    values[200, 1] = far
    network = Network(SHAPE).eval()
    found = predict(network, AS_IT_IS, values)
    values[200, 1] = 0
    assert np.array_equal(found, predict(network, AS_IT_IS, values))


@pytest.mark.filterwarnings("error")
def test_a_dead_channel_is_scaled_without_a_word():
    dead, live = np.full((3, 1), np.nan, np.float32), np.array([[1], [2], [3]], np.float32)
    assert Scaler.fit([dead, dead], 4).mean == (0.0,)
    assert Scaler.fit([dead, live], 4).mean == (2.0,)


def test_holes_are_bridged_and_a_dead_channel_is_zero():
    values = np.array([[np.nan, np.nan], [1, np.nan], [np.nan, np.nan], [3, np.nan]], np.float32)
    assert fill(values)[:, 0].tolist() == [1, 1, 2, 3]
    assert AS_IT_IS(values)[:, 1].tolist() == [0, 0, 0, 0]


def test_unknown_timepoints_have_no_fraction_and_no_loss():
    target = fractions(np.array([0, 2, -1, -1], np.int16), 3)
    assert target.tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    unknown = torch.zeros(1, 3, 4)
    assert soft_cross_entropy(torch.randn(1, 3, 4), unknown, torch.ones(3)) == 0


def test_rare_classes_weigh_more_by_the_root_of_their_rarity():
    weights = rarity(torch.tensor([900.0, 100.0]))
    assert float(weights[1] / weights[0]) == pytest.approx(3.0)
    assert float((weights * torch.tensor([900.0, 100.0])).sum()) == pytest.approx(1000.0)
