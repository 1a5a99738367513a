"""Reads data/dataset, data/arrays, the label config, and data/start where the params name a model to start from;
writes data/candidate and reports/train.

Whatever is fitted is fitted on the train split; what is chosen is chosen on the validation split. The work is
done by training.py of stages/segmentation or of stages/classification, whichever the label config asks for, and
candidate.py beside it records what was trained.
"""

from __future__ import annotations

from stages import learning_task, params
from stages.provenance import of_candidate
from stages.run import run
from storage.artifacts import checkpoint, dataset
from storage.label_studio import label_config
from storage.printable import say


def main() -> None:
    """Dataset to candidate."""
    settings, index = params.load(), dataset.read_index()
    task = learning_task.of(label_config.load())
    model, lines = task.fit(index, settings)
    checkpoint.write(model, of_candidate(model, index, settings))
    for line in lines:
        say(line)


if __name__ == "__main__":
    run(main)
