"""Reads data/arrays, data/best, data/candidate, data/dataset, the label config, data/labels, data/predictions and
reports/; writes reports/index.html.

One page that a person can look at, without a network: where the model comes from, the verdict, scores, training
curves, data quality, and some recordings with true and predicted labels.
"""

from __future__ import annotations

from collections.abc import Callable

from stages import learning_task
from stages.reporting import classification, page, segmentation
from stages.run import run

PAGES: dict[str, Callable[[page.Inputs], None]] = {
    "segmentation": segmentation.write,
    "classification": classification.write,
}


def main() -> None:
    """Everything to one page."""
    found = page.load()
    PAGES[learning_task.of(found.config).name](found)


if __name__ == "__main__":
    run(main)
