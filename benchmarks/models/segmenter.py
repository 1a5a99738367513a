"""How well the segmenter finds regions of people that it was not trained on, and what training and prediction cost.

    python -m benchmarks.models.segmenter FOLDER                     # five folds by person
    python -m benchmarks.models.segmenter FOLDER --shuffled          # the same, cut at region borders and shuffled
    python -m benchmarks.models.segmenter FOLDER --all               # trained on everybody: what that costs
    python -m benchmarks.models.segmenter FOLDER --labeled 10        # trained on ten recordings, five draws a fold
    python -m benchmarks.models.segmenter FOLDER --param draft=true  # with another value of a param of `train`
    python -m benchmarks.models.segmenter --simulated                # made-up recordings, in any order
    python -m benchmarks.models.segmenter FOLDER --peer CHECKOUT --peer-python PEER/.venv/bin/python

FOLDER holds `tasks.json`, as Label Studio exports it, and the CSV files that it names. In each fold the people of
one fifth are the test split; of the others the usual rule of `params.yaml` (`splits`) makes train and validation
split. Everything is trained and chosen there, by the params of this checkout. CPU seconds are of one thread
unless `--threads` says otherwise; seconds are those on the clock, which is what counts with `--param device=cuda`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import stdev
from typing import Any

import numpy as np
import torch
import yaml

from benchmarks.models.peer import peer
from benchmarks.models.recordings import Recording, by_group, labels_of, load, simulated
from benchmarks.models.shuffled import shuffle
from stages import params
from stages.metrics import bootstrap
from stages.metrics.segmentation import LabeledPrediction, Tally, tally, total
from stages.reporting.tables import score
from stages.segmentation.batches import Plan
from stages.segmentation.dataset import mostly_instant
from stages.segmentation.targets import Example
from stages.segmentation.training import FitResult, TaskSpec, fit_segmenter
from stages.timeseries import splits, windows
from stages.timeseries.runs import classes_of, paint
from storage.progress import console
from storage.series.recording import sampling_rate

FIGURES = ("balanced_accuracy", "macro_f1", "event_f1")


@dataclass(frozen=True)
class Fold:
    """What came of one fold.

    Attributes:
        name: which.
        tallies, groups: of each test recording.
        train_seconds, predict_seconds: CPU time; prediction with decoding, of arrays in memory.
        clock: seconds of training on the clock.
        timepoints: predicted.
        facts: what else is worth knowing.
    """

    name: str
    tallies: tuple[Tally, ...]
    groups: tuple[str, ...]
    train_seconds: float
    predict_seconds: float
    clock: float
    timepoints: int
    facts: dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table, or with `--json` every fold."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if bool(options.folder) == options.simulated:
        parser.error("give a FOLDER, or --simulated")
    settings = params.load()
    changed = {name: yaml.safe_load(value) for name, _, value in (p.partition("=") for p in options.param)}
    train = params.Train.model_validate(settings.train.model_dump() | changed)
    settings = settings.model_copy(update={"train": train})
    torch.set_num_threads(options.threads)
    recordings = simulated() if options.simulated else load(options.folder)
    if options.shuffled:
        recordings = [shuffle(recording, 0) for recording in recordings]
    labels = labels_of(recordings)
    if options.all:
        fold = _ours("everybody", recordings, recordings, labels, settings)
        speed = round(fold.timepoints / fold.predict_seconds)
        took = f"{fold.train_seconds:.1f} CPU s, {fold.clock:.1f} s"
        print(f"all {len(recordings)}: {took}; {speed:,} timepoints per CPU s")
        return
    chosen = [int(number) for number in options.only.split(",")] if options.only else range(options.folds)
    folds = by_group(recordings, options.folds)
    ways: dict[str, list[Fold]] = {"ours": [], "the peer": []}
    for number in chosen:
        train_recordings, test = folds[number]
        for draw, some in enumerate(_draws(train_recordings, options.labeled, options.draws)):
            ways["ours"].append(_ours(f"fold {number}.{draw}", some, test, labels, settings))
            _say(ways["ours"][-1], labels)
        if options.peer:
            ways["the peer"].append(
                _peer(f"fold {number}", options, train_recordings, test, labels, settings)
            )
            _say(ways["the peer"][-1], labels)
    found = {name: _summary(way, labels) for name, way in ways.items() if way}
    if options.json:
        print(json.dumps(found, indent=1, sort_keys=True))
    else:
        for name, value in found.items():
            print(_line(name, value))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.models.segmenter",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("folder", type=Path, nargs="?", help="tasks.json and CSV files")
    parser.add_argument("--simulated", action="store_true", help="made-up recordings instead of a folder")
    parser.add_argument("--folds", type=int, default=5, help="of people (default 5)")
    parser.add_argument("--only", default="", help="folds to run, as in 0,2; all if left out")
    parser.add_argument(
        "--shuffled", action="store_true", help="cut recordings at region borders and shuffle them"
    )
    parser.add_argument("--all", action="store_true", help="train on everybody; nobody is left to score on")
    parser.add_argument("--labeled", type=int, default=0, help="recordings to train on; 0: all")
    parser.add_argument("--draws", type=int, default=5, help="draws of so many recordings (default 5)")
    parser.add_argument("--param", action="append", default=[], help="of the train section, as in epochs=20")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default 1, as everywhere else)")
    parser.add_argument(
        "--peer", type=Path, help="a checkout of the nearest public tool: benchmarks/models/peer.py"
    )
    parser.add_argument("--peer-python", type=Path, default=Path("python3"), help="with what it needs")
    parser.add_argument("--json", action="store_true", help="every fold, for programs")
    return parser


def _draws(recordings: Sequence[Recording], size: int, draws: int) -> Iterator[list[Recording]]:
    """All recordings, or some of them, drawn several times."""
    if not size:
        yield list(recordings)
        return
    for draw in range(draws):
        places = np.random.default_rng(draw).choice(len(recordings), size, replace=False)
        yield [recordings[place] for place in sorted(places)]


def _ours(
    name: str,
    recordings: Sequence[Recording],
    test: Sequence[Recording],
    labels: Sequence[str],
    settings: params.Params,
) -> Fold:
    """Train on recordings and score on others."""
    groups = {recording.key: recording.group for recording in recordings}
    rules = settings.splits.shares.model_dump() | {"test": 0.0}
    assigned = splits.assign({}, groups, set(groups), rules, settings.splits.seed)
    began, at = time.process_time(), time.perf_counter()
    fitted = _fit([(r, assigned[r.key]) for r in recordings], labels, settings)
    trained, clock = time.process_time() - began, time.perf_counter() - at
    tolerance, rules_ = settings.window.instant_tolerance, settings.evaluate
    targets = [_target(recording, labels, tolerance) for recording in test]
    began = time.process_time()
    predictions = [
        fitted.model.predict_labeled(recording.values, target, recording.regions)
        for recording, target in zip(test, targets, strict=True)
    ]
    predicted = time.process_time() - began
    tallies = tuple(tally(item, labels, rules_.iou, rules_.instant_tolerance) for item in predictions)
    decoder, trial = fitted.model.decoder, fitted.trial
    facts = {
        "train": sum(name == "train" for name in assigned.values()),
        "validation": sum(name == "validation" for name in assigned.values()),
        "epochs": len(fitted.fit.history),
        "trial": [trial.best.number, trial.stopped],
        "decoding": {key: getattr(decoder, key) for key in ("evidence", "order", "smoothing", "fraction")},
        "temperature": fitted.model.confidence.temperature,
    }
    rows = sum(len(recording.values) for recording in test)
    return Fold(name, tallies, tuple(r.group for r in test), trained, predicted, clock, rows, facts)


def _fit(
    recordings: Sequence[tuple[Recording, str]], labels: Sequence[str], settings: params.Params
) -> FitResult:
    """Train as the stages do, from arrays in memory."""
    tolerance = settings.window.instant_tolerance
    train = [recording for recording, name in recordings if name == "train"]
    lengths = windows.lengths((r for recording in train for r in recording.regions), tolerance)
    size = settings.window.size or windows.choose_size(lengths, max(len(r.values) for r in train))
    examples: dict[str, list[Example]] = {"train": [], "validation": []}
    for recording, name in recordings:
        starts = tuple(windows.starts(len(recording.values), size, size))
        target = _target(recording, labels, tolerance)
        examples[name].append(Example(recording.values, target, starts, tuple(recording.regions)))
    regions = [region for recording in train for region in recording.regions]
    instants = tuple(label for label in labels if mostly_instant(label, regions))
    channels = tuple(str(number) for number in range(train[0].values.shape[1]))
    task = TaskSpec(channels, tuple(labels), instants, tolerance, sampling_rate(train[0].times))
    plan = Plan(size=size, stride=size, **settings.train.plan())
    rules = settings.evaluate
    return fit_segmenter(
        examples["train"], examples["validation"], task, plan, rules.iou, rules.instant_tolerance
    )


def _target(recording: Recording, labels: Sequence[str], tolerance: int = 0) -> Any:
    return classes_of(paint(recording.regions, len(recording.values), labels, tolerance), labels)


def _peer(
    name: str,
    options: argparse.Namespace,
    recordings: Sequence[Recording],
    test: Sequence[Recording],
    labels: Sequence[str],
    settings: params.Params,
) -> Fold:
    """The same of the peer."""
    run = peer(options.peer, options.peer_python, recordings, test, labels, options.threads)
    rules = settings.evaluate
    tallies = tuple(
        tally(
            LabeledPrediction(_target(recording, labels), classes, recording.regions, regions),
            labels,
            rules.iou,
            rules.instant_tolerance,
        )
        for recording, classes, regions in zip(test, run.classes, run.regions, strict=True)
    )
    rows = sum(len(recording.values) for recording in test)
    facts = {"epochs": run.epochs, "memory": run.predict.memory}
    groups = tuple(r.group for r in test)
    costs = (run.train.seconds, run.predict.seconds, run.train.clock)
    return Fold(name, tallies, groups, *costs, rows, facts)


def _scores(tallies: Sequence[Tally], labels: Sequence[str]) -> dict[str, float | None]:
    found = total(tallies, labels)
    return {
        "balanced_accuracy": found.timepoint["balanced_accuracy"],
        "macro_f1": found.timepoint["macro_f1"],
        "event_f1": found.event["f1"],
    }


def _say(fold: Fold, labels: Sequence[str]) -> None:
    figures = " / ".join(map(score, _scores(fold.tallies, labels).values()))
    console.print(
        f"{fold.name}: {figures}, {fold.train_seconds:.1f} CPU s, {fold.clock:.1f} s, {fold.facts}",
        markup=False,
        highlight=False,
    )


def _summary(folds: Sequence[Fold], labels: Sequence[str]) -> dict[str, Any]:
    """All folds together, and each."""
    tallies = [found for fold in folds for found in fold.tallies]
    groups = [group for fold in folds for group in fold.groups]
    each = [_scores(fold.tallies, labels) for fold in folds]
    scores = total(tallies, labels)
    known = {name: [value for s in each if (value := s[name]) is not None] for name in FIGURES}
    spread = {name: stdev(values) if len(values) > 1 else 0.0 for name, values in known.items()}
    return {
        "scores": _rounded(_scores(tallies, labels)),
        "spread": _rounded(spread),
        "intervals": {
            k: [round(v, 4) for v in pair] for k, pair in bootstrap.intervals(tallies, groups).items()
        },
        "calibration": _rounded(scores.calibration),
        "classes": {c.label: _rounded({"f1": c.f1, "event_f1": c.event_f1}) for c in scores.classes},
        "train_cpu_seconds": round(sum(f.train_seconds for f in folds) / len(folds), 1),
        "train_seconds": round(sum(f.clock for f in folds) / len(folds), 1),
        "timepoints_per_cpu_second": round(
            sum(f.timepoints for f in folds) / sum(f.predict_seconds for f in folds)
        ),
        "folds": [
            {"name": f.name, "scores": _rounded(s), "train_cpu_seconds": round(f.train_seconds, 1)} | f.facts
            for f, s in zip(folds, each, strict=True)
        ],
    }


def _rounded(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 4) for name, value in values.items()}


def _line(name: str, value: dict[str, Any]) -> str:
    """A row of the table in docs/benchmarks.md."""
    figures = " / ".join(score(value["scores"][k]) for k in FIGURES)
    spread = " / ".join(f"{value['spread'][k]:.3f}" for k in FIGURES)
    speed = value["timepoints_per_cpu_second"]
    return f"| {name} | {figures} | {spread} | {value['train_cpu_seconds']:.0f} | {speed:,} |"


if __name__ == "__main__":
    main()
