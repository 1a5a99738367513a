"""Learning curves, for `dvc plots`, the report and a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvclive.live import Live

from storage.progress import bar

CURVES = Path("reports/train")


@contextmanager
def learning_curves(epochs: int) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """Write a row for each of at most `epochs` epochs to `reports/train`.

    Yields:
        A function that takes the figures of an epoch by name of their curve, `train/loss` among them.
    """
    live: Any = Live(dir=str(CURVES), save_dvc_exp=False, report=None, dvcyaml=None)
    with bar("training", epochs) as advance:

        def log(figures: Mapping[str, float]) -> None:
            for name, value in figures.items():
                live.log_metric(name, round(value, 6))
            live.next_step()
            advance(description=f"training, loss {figures['train/loss']:.3f}")

        yield log
    live.end()
