"""Reads data/arrays, data/labels, the label config and data/splits.csv; writes data/dataset.

Labels become what a model is trained on and scored by. Whatever was not used is counted and named in the index, and
so is what a person should know before trusting the model. The work is done by stages/segmentation/dataset.py or
stages/classification/dataset.py, whichever the label config asks for.
"""

from __future__ import annotations

from stages import learning_task, params
from stages.run import run
from stages.timeseries.dataset_warnings import shown
from storage.artifacts import arrays, dataset
from storage.files import fresh_folder
from storage.label_studio import label_config
from storage.labels import snapshot
from storage.printable import say
from storage.project_files import splits_file


def main() -> None:
    """Labels to dataset."""
    settings, task = params.load(), learning_task.of(label_config.load())
    inputs = dataset.Inputs(arrays.read_index(), splits_file.read(), snapshot.read())
    with fresh_folder(dataset.PATH) as folder:
        index, line = task.build_dataset(inputs, settings, folder)
        dataset.save_index(folder, index)
    say(line)
    for text in (*shown(index.left_out), *shown(index.warnings)):
        say(text)


if __name__ == "__main__":
    run(main, labels=True)
