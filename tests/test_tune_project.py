"""Tuning the classifier of a project on its own dataset, and having one of the trials again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.trial import again
from pipelines.tune import tune
from stages import ingest
from stages.classification import train, window
from storage import provenance, sets
from storage import study as studies
from storage.files import md5
from tests.choice_project import lay, record, wave
from tests.tuning_project import TUNING

PEOPLE = {"ann": "train", "ben": "train", "cid": "train", "dora": "validation", "eva": "test"}
KINDS = {f"{who}/{kind}{n}": kind for who in PEOPLE for kind in ("slow", "fast") for n in range(3)}
RECORDS = [record(key, [kind]) for key, kind in KINDS.items()]


def lay_project(
    of_sets: dict[str, str] = PEOPLE, records: list[dict[str, Any]] = RECORDS, **tuning: Any
) -> None:
    """A project with five people's series, as `dvc repro window` leaves it."""
    waves = {key: wave(kind, seed) for seed, (key, kind) in enumerate(KINDS.items())}
    lay(waves, records, {}, steps=20)
    sets.write({key: sets.Row(key.partition("/")[0], of_sets[key.partition("/")[0]]) for key in KINDS})
    for name in ("labels", "series"):
        Path(f"data/{name}.dvc").write_text(f"outs:\n- md5: {md5(Path(f'data/{name}'))}\n  path: {name}\n")
    value = yaml.safe_load(Path("params.yaml").read_text()) | {"tuning": TUNING | {"trials": 4, **tuning}}
    Path("params.yaml").write_text(yaml.safe_dump(value, sort_keys=False))
    ingest.main()
    window.main()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The top of a project; it is the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipelines.tuned.labels_of", lambda *_: "labels")
    monkeypatch.setattr("pipelines.trial.labels_of", lambda *_: "labels")
    lay_project()
    return tmp_path


def test_a_trial_makes_its_model_again_in_a_folder_and_by_dvc_repro(project: Path) -> None:
    done = tune()
    assert done.place.parent == studies.FOLDER
    tried = next(trial for trial in done.study.trials if trial.model)
    back = again(tried.number, model=Path("m"), write=Path("params.yaml"))
    assert (back.model, back.differs) == (tried.model, ())
    assert back.next_command() == f"labeltrail trace {tried.model[:8]}"
    train.main()
    assert md5(Path("m")) == md5(provenance.CANDIDATE)
    origin = provenance.read(Path("m"))
    assert origin.labels == done.study.about["labels"] == md5(Path("data/labels"))
    assert origin.dataset == done.study.about["dataset"]
    assert origin.annotations == done.study.about["annotations"]
    assert {key.partition("/")[0] for key in origin.annotations} == {"ann", "ben", "cid"}
