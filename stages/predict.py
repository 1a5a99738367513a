"""Reads data/best, data/arrays, the label config and data/splits.csv; writes data/predictions.

The best model predicts every series, labeled or not, with a score for each region or choice and for the whole, and
how unsure it is: what to label next is ordered by that. The work is done by stages/segmentation/inference.py or
stages/classification/inference.py, whichever the label config asks for.
"""

from __future__ import annotations

from stages import compatibility, learning_task, params
from stages.run import run
from storage.artifacts import arrays, checkpoint, predictions, provenance
from storage.label_studio import label_config
from storage.paths import BEST
from storage.printable import say
from storage.project_files import splits_file


def main() -> None:
    """Best to predictions."""
    config, settings = label_config.load(), params.load()
    task, model, index = learning_task.of(config), checkpoint.read(BEST), arrays.read_index()
    why = compatibility.incompatibility(model, config.channels, config.labels, index.sampling_rate)
    compatibility.check(why, BEST, "project")
    name = provenance.read(BEST).model
    keys = splits_file.select(sorted(index.series), settings.predict.series)
    found, unfit = task.predict(model, name, keys, settings)
    say(f"{predictions.write(found)} series predicted by model {name[:8]}")
    for key, why in unfit.items():
        say(f"warning: {key} is not predicted: {why}")


if __name__ == "__main__":
    run(main)
