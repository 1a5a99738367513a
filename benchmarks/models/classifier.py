"""How well the classifier classifies series that it was not trained on, and what training and prediction cost.

    python -m benchmarks.models.classifier FOLDER                              # four sets, five seeds each
    python -m benchmarks.models.classifier FOLDER --sets GunPoint --seeds 10
    python -m benchmarks.models.classifier FOLDER --param lr=0.003             # with another value of a param
    python -m benchmarks.models.classifier FOLDER --seeds 0 --curve            # accuracy against CPU seconds
    python -m benchmarks.models.classifier FOLDER --seeds 0 --peer "$(python -m benchmarks.models.tsai_peer)"

FOLDER holds ucr/NAME/train.csv and test.csv, and lstm-fcn-sagemaker/ with train.csv, valid.csv, test_data.csv and
test_labels.csv. All is trained by the params of this checkout (train.classifier), but that the last set has the small
network that its makers published with it. Nothing is chosen by a test set: weights are kept by the rule of training.
CPU seconds are of one thread, from arrays in memory to a model.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from benchmarks.models.tsai_peer import Speed, peer
from pipelines.classify.overrides import choose
from pipelines.classify.train import CHANNEL, labeled
from stages.classification.model import Classifier, TaskSpec
from stages.classification.plan import Plan, batches_of, epochs_of
from stages.classification.targets import Labeled
from stages.classification.training import fit_classifier
from storage.progress import console
from storage.series import series_table

UCR = ("ArrowHead", "GunPoint", "ItalyPowerDemand")
SAGEMAKER = "lstm-fcn-sagemaker"
# Params that a set was published with.
OWN = {
    SAGEMAKER: (
        "num-layers=1", "hidden-size=8", "filters-1=4", "filters-2=4", "filters-3=4",
        "kernel-size-1=3", "kernel-size-2=3", "kernel-size-3=3", "batch-size=64", "epochs=5",
    )
}  # fmt: skip
CURVE = "250,500,1000,2000,3000"
# Steps of training, and series answered, that a speed is measured on.
STEPS, ANSWERS = 100, 500


@dataclass(frozen=True)
class Series:
    """A data set: train split, validation split where there is one, and test split."""

    name: str
    train: Labeled
    validation: Labeled | None
    test: Labeled
    spec: TaskSpec


@dataclass(frozen=True)
class Run:
    """What came of training once.

    Attributes:
        seed: of it.
        accuracy: share of the test set that is answered right.
        seconds: CPU time of training.
        steps: of the optimiser.
    """

    seed: int
    accuracy: float
    seconds: float
    steps: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Print tables, or with `--json` every run."""
    options = _parser().parse_args(arguments)
    found: dict[str, Any] = {"version": 1, "sets": {}, "curves": {}, "speeds": {}}
    for name in options.sets.split(","):
        series = load(options.folder, name)
        params = (*OWN.get(name, ()), *options.param)
        if options.seeds:
            found["sets"][name] = [asdict(run) for run in _runs(series, params, options.seeds)]
        if options.curve and name not in OWN:
            found["curves"][name] = _curve(series, params, options)
        if options.peer:
            found["speeds"][name] = _speeds(series, params, options.peer, options.rounds)
    if options.json:
        print(json.dumps(found, indent=1, sort_keys=True))
    else:
        print("\n\n".join("\n".join(table) for table in _tables(found) if table))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.models.classifier",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="with ucr/ and lstm-fcn-sagemaker/")
    parser.add_argument("--sets", default=",".join([*UCR, SAGEMAKER]), help="by name, separated by commas")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each set (default 5); 0: none")
    parser.add_argument(
        "--param", action="append", default=[], help="of train.classifier, as in hidden-size=32"
    )
    parser.add_argument("--curve", nargs="?", const=CURVE, help=f"accuracy after STEPS (default {CURVE})")
    parser.add_argument("--curve-seeds", type=int, default=2, help="runs of each of them (default 2)")
    parser.add_argument(
        "--peer", type=Path, metavar="PYTHON", help="with tsai: benchmarks/models/tsai_peer.py"
    )
    parser.add_argument("--rounds", type=int, default=3, help="both in turn, so many times (default 3)")
    parser.add_argument("--json", action="store_true", help="every run, for programs")
    return parser


def load(folder: Path, name: str) -> Series:
    """A set from its CSV files.

    Raises:
        InputError: a file is not there, or is no table of series.
    """
    place = folder / (name if name in OWN else f"ucr/{name}")
    train = series_table.read(place / "train.csv")
    task, labels, columns = train.task, train.labels, train.columns
    validation = None
    if name == SAGEMAKER:
        valid = series_table.read(place / "valid.csv", task=task, labels=labels, columns=columns)
        validation = labeled(valid)
        raw = _side_by_side(place / "test_labels.csv", place / "test_data.csv")
        test = series_table.parse(raw, name, task=task, labels=labels, columns=columns)
    else:
        test = series_table.read(place / "test.csv", task=task, labels=labels, columns=columns)
    spec = TaskSpec(task or "multiclass", labels, (CHANNEL,), columns)
    return Series(name, labeled(train), validation, labeled(test), spec)


def _side_by_side(*paths: Path) -> bytes:
    """Tables with the same rows, side by side."""
    rows = zip(*(path.read_text(encoding="utf-8").splitlines() for path in paths), strict=True)
    return "\n".join(map(",".join, rows)).encode()


def _runs(series: Series, params: Sequence[str], seeds: int) -> list[Run]:
    _warm_up(series, _plan(params, 0))
    runs = []
    for seed in range(seeds):
        plan = _plan(params, seed)
        model, seconds = _train(series, plan)
        steps = batches_of(plan, series.train) * epochs_of(plan, series.train)
        runs.append(Run(seed, _accuracy(model, series.test), seconds, steps))
        text = f"{series.name}, seed {seed}: {runs[-1].accuracy:.4f}, {seconds:.1f} CPU s, {steps} steps"
        console.print(text, markup=False, soft_wrap=True)
    return runs


def _plan(params: Sequence[str], seed: int) -> Plan:
    return Plan(**choose([*params, f"seed={seed}"]).classifier_plan())


def _warm_up(series: Series, plan: Plan) -> None:
    """The first optimizer of a process imports for a second."""
    _train(series, plan.model_copy(update={"epochs": 1}))


def _train(series: Series, plan: Plan) -> tuple[Classifier, float]:
    """A model, and the CPU seconds that it took."""
    began = time.process_time()
    result = fit_classifier(series.train, series.validation, series.spec, plan)
    return result.model, time.process_time() - began


def _accuracy(model: Classifier, test: Labeled) -> float:
    predicted = model.decide(model.probabilities(test.values))
    return float((predicted == test.targets).all(1).mean())


def _curve(series: Series, params: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """Trained anew for so many steps, each with a whole schedule."""
    runs = {
        steps: _runs(series, [*params, "epochs=null", f"steps={steps}"], options.curve_seeds)
        for steps in options.curve.split(",")
    }
    return {steps: [asdict(run) for run in each] for steps, each in runs.items()}


def _speeds(series: Series, params: Sequence[str], python: Path, rounds: int) -> dict[str, list[Any]]:
    """Ours and the peer's in turn, and each first in every other round."""
    batches = batches_of(_plan(params, 0), series.train)
    epochs, repeats = max(round(STEPS / batches), 1), max(round(ANSWERS / len(series.test.values)), 1)
    plan = _plan([*params, f"epochs={epochs}"], 0)
    found: dict[str, list[Any]] = {"ours": [], "tsai": [], "network": []}
    for number in range(rounds):
        ours = None if number % 2 else _our_speed(series, plan, epochs, repeats)
        peer_speeds = peer(python, series.train, series.test, plan, epochs, repeats)
        for way, speed in {"ours": ours or _our_speed(series, plan, epochs, repeats), **peer_speeds}.items():
            found[way].append(asdict(speed))
        text = ", ".join(f"{way} {speeds[-1]}" for way, speeds in found.items())
        console.print(f"{series.name}, round {number}: {text}", markup=False, soft_wrap=True)
    return found


def _our_speed(series: Series, plan: Plan, epochs: int, repeats: int) -> Speed:
    """A whole training by the number of its epochs, and predictions for the test split."""
    _warm_up(series, plan)
    model, seconds = _train(series, plan)
    model.probabilities(series.test.values)
    began = time.process_time()
    for _ in range(repeats):
        model.probabilities(series.test.values)
    rate = repeats * len(series.test.values) / (time.process_time() - began)
    return Speed(seconds / epochs, rate)


def _tables(found: Mapping[str, Any]) -> Iterator[list[str]]:
    """Those of docs/benchmarks-classifier.md."""
    if sets := found["sets"]:
        yield [
            "| dataset | accuracy, mean | spread | each seed | CPU s a run | steps |",
            "|---|---|---|---|---|---|",
            *(_accuracy_line(name, runs) for name, runs in sets.items()),
        ]
    for name, curve in found["curves"].items():
        yield [
            f"| {name} | accuracy, mean | spread | each seed | CPU s a run | steps |",
            "|---|---|---|---|---|---|",
            *(_accuracy_line(f"{steps} steps requested", runs) for steps, runs in curve.items()),
        ]
    if speeds := found["speeds"]:
        yield [
            "| training, CPU ms an epoch | ours | tsai | tsai / ours | its network alone | its network / ours |",
            "|---|---|---|---|---|---|",
            *(_epoch_line(name, ways) for name, ways in speeds.items()),
        ]
        yield [
            "| predictions a CPU second | ours | tsai | ours / tsai | its network alone | ours / its network |",
            "|---|---|---|---|---|---|",
            *(_answers_line(name, ways) for name, ways in speeds.items()),
        ]


def _accuracy_line(name: str, runs: Sequence[Mapping[str, Any]]) -> str:
    each = [run["accuracy"] for run in runs]
    spread = stdev(each) if len(each) > 1 else 0.0
    seconds = mean(run["seconds"] for run in runs)
    shown = " ".join(_share(value) for value in each)
    return (
        f"| {name} | {_share(mean(each))} | {_share(spread)} | {shown} | {seconds:.1f} | {runs[0]['steps']} |"
    )


def _share(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")


def _epoch_line(name: str, ways: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    ours, tsai, network = (1000 * median(s["epoch"] for s in ways[w]) for w in ("ours", "tsai", "network"))
    return f"| {name} | {ours:.0f} | {tsai:.0f} | {tsai / ours:.1f} | {network:.0f} | {network / ours:.1f} |"


def _answers_line(name: str, ways: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    ours, tsai, network = (median(s["answers"] for s in ways[w]) for w in ("ours", "tsai", "network"))
    return (
        f"| {name} | {ours:,.0f} | {tsai:,.0f} | {ours / tsai:.1f} | {network:,.0f} | {ours / network:.1f} |"
    )


if __name__ == "__main__":
    main()
