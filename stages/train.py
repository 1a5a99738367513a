"""Reads data/dataset and data/arrays; writes data/candidate and reports/train.

Fits the scaler on the train set, trains the network with an eye on the validation set, chooses there how its
probabilities become regions, and puts all of it to rest with its provenance.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from dvclive.live import Live

from stages import params
from stages.model.network import Shape
from stages.model.preparation import Scaler
from stages.model.segmenter import Segmenter, predict
from stages.model.training import Epoch, Example, Fit, Plan, fit
from stages.run import run
from stages.timeseries import windows
from stages.timeseries.decoding import Decoder, choose, typical_lengths
from stages.timeseries.regions import runs
from storage import arrays, checkpoint, dataset, label_config, provenance
from storage.errors import InputError
from storage.files import md5
from storage.progress import bar

CURVES = Path("reports/train")


def main() -> None:
    """Dataset to candidate."""
    settings, index = params.load(), dataset.read_index()
    train, validation = load(index, "train"), load(index, "validation")
    scaler = Scaler.fit(example.values for example in train)
    fitted = learn(train, validation, scaler, index, settings.train)
    decoder, event_f1 = choose_decoder(fitted, scaler, index, train, validation, settings.evaluate)
    model = Segmenter(
        fitted.network, scaler, decoder, index.channels, index.labels, index.sampling_rate
    ).to_checkpoint(tell(fitted, event_f1))
    checkpoint.write(model, origin(model, index, settings))
    print(f"best epoch {fitted.best.number} of {len(fitted.history)}, stopped by {fitted.stopped}")
    if not validation:
        print("warning: no validation set: the whole schedule was run, decoding was not chosen but assumed")


def load(index: dataset.Index, name: str) -> list[Example]:
    """The labeled series of a set.

    Raises:
        InputError: ingest has run since with other channels.
    """
    if arrays.read_index().channels != index.channels:
        raise InputError("data/dataset is older than data/arrays", where=str(dataset.PATH), cure="dvc repro")
    starts: dict[str, list[int]] = {key: [] for key in index.of(name)}
    for key, start in index.windows[name]:
        starts[key].append(start)
    return [Example(arrays.values(key), dataset.target(key), tuple(starts[key])) for key in starts]


def learn(
    train: list[Example],
    validation: list[Example],
    scaler: Scaler,
    index: dataset.Index,
    settings: params.Train,
) -> Fit:
    """Train the network; its curves go to reports/train."""
    lengths = train_lengths(index)
    shape = Shape(
        channels=len(index.channels),
        classes=len(index.labels) + 1,
        step=windows.choose_step(lengths),
        widths=windows.choose_widths(lengths),
        hidden=settings.hidden_size,
        dropout=settings.dropout,
    )
    plan = Plan(
        size=index.size, stride=index.stride, **settings.model_dump(exclude={"hidden_size", "dropout"})
    )
    live: Any = Live(dir=str(CURVES), save_dvc_exp=False, report=None, dvcyaml=None)
    with bar("training", settings.epochs) as advance:

        def on_epoch(epoch: Epoch) -> None:
            live.log_metric("train/loss", round(epoch.loss, 6))
            if epoch.worst_f1 is not None:
                live.log_metric("validation/balanced_accuracy", round(epoch.balanced_accuracy or 0, 6))
                live.log_metric("validation/worst_f1", round(epoch.worst_f1, 6))
            live.next_step()
            advance(description=f"training, loss {epoch.loss:.3f}")

        fitted = fit(train, validation, scaler, shape, plan, on_epoch)
    live.end()
    return fitted


def train_lengths(index: dataset.Index) -> windows.Lengths:
    """Timepoints that the regions of the train set are taught with, by label."""
    regions = [region for key in index.of("train") for region in index.series[key].regions]
    return windows.lengths(regions, index.instant_tolerance)


def choose_decoder(
    fitted: Fit,
    scaler: Scaler,
    index: dataset.Index,
    train: list[Example],
    validation: list[Example],
    settings: params.Evaluate,
) -> tuple[Decoder, float | None]:
    """How probabilities become regions: chosen on the validation set where there is one."""
    gaps = [length for example in train for length in background_lengths(example.target)]
    step = fitted.network.shape.step
    decoder = Decoder(
        step=step,
        labels=index.labels,
        instants=index.instants,
        tolerance=index.instant_tolerance,
        typical=typical_lengths(train_lengths(index), gaps, index.labels, step),
    )
    if not validation:
        return decoder, None
    answers = [
        (predict(fitted.network, scaler(example.values)), example.target, index.series[key].regions)
        for key, example in zip(index.of("validation"), validation, strict=True)
    ]
    return choose(decoder, answers, settings.iou, settings.instant_tolerance)


def background_lengths(target: np.ndarray[Any, np.dtype[np.int16]]) -> list[int]:
    """Timepoints of each stretch of background."""
    starts, ends, codes = runs(target)
    return [int(n) for n in (ends - starts + 1)[codes == 0]]


def tell(fitted: Fit, event_f1: float | None) -> dict[str, Any]:
    """`training` of model.json."""
    return {
        "epochs": len(fitted.history),
        "best_epoch": fitted.best.number,
        "stopped": fitted.stopped,
        "loss": fitted.best.loss,
        "validation": {
            "balanced_accuracy": fitted.best.balanced_accuracy,
            "worst_f1": fitted.best.worst_f1,
            "event_f1": event_f1,
        },
    }


def origin(
    model: checkpoint.Checkpoint, index: dataset.Index, settings: params.Params
) -> provenance.Provenance:
    """Where the candidate comes from."""
    return provenance.Provenance(
        model=model.hash(),
        labels=index.provenance["labels"],
        series=index.provenance["series"],
        label_config=md5(label_config.PATH),
        dataset=md5(dataset.PATH),
        params={name: getattr(settings, name).model_dump() for name in ("ingest", "window", "train")},
        annotations={key: list(index.series[key].annotations) for key in index.of("train")},
    )


if __name__ == "__main__":
    run(main)
