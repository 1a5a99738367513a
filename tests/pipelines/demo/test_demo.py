"""The demo on real servers, with a folder of one's own and with simulated recordings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from pipelines.demo import accelerometer, demo_data, ecg
from pipelines.demo.demo import FOLDER, DemoResult, demo
from pipelines.import_.import_ import import_recordings
from pipelines.sync.sync import sync
from storage.errors import InputError
from storage.files import write_json
from storage.labels import snapshot
from storage.project import Project
from tests.conftest import recording, result
from tests.pipelines.test_loop import small


def own_folder(home: Path) -> Path:
    """`series/*.csv` and `tasks.json`, five recordings of five people, one of them without labels."""
    folder = home / "mine"
    (folder / "series").mkdir(parents=True)
    tasks = []
    for n in range(5):
        (folder / f"series/{n}.csv").write_bytes(recording(rows=600, seed=n))
        regions = result((1.0 + n / 10, 4.0, "walk"), (5.0, 7.0 + n / 10, "run"))
        task = {"data": {"csv": f"series/{n}.csv", "subject": f"p{n}"}}
        tasks.append(task | ({"annotations": [{"id": n, "result": regions}]} if n else {}))
    (folder / "tasks.json").write_text(json.dumps(tasks), encoding="utf-8")
    return folder


def test_a_folder_of_ones_own_without_a_label_config(empty: Project, tmp_path: Path) -> None:
    small(empty.root)
    done = demo(empty, own_folder(tmp_path))
    assert set(done.seconds) == {"servers", "recordings and labels", "sync", "dvc repro"}
    state = empty.remote.state()
    assert state is not None
    found = empty.studio.predictions(state.project)
    assert {p["model_version"] for p in found} == {done.version}
    assert len(found) == 5
    assert empty.label_config.labels == ("run", "walk")
    assert done.commit == next(empty.repository.git.label_commits()).commit
    assert done.version in "\n".join(done.lines(empty.root))
    head = empty.repository.git.head()
    again = demo(Project(empty.root), tmp_path / "mine")
    assert (again.version, empty.repository.git.head()) == (done.version, head), (
        "a second run changes nothing"
    )
    with pytest.raises(InputError, match="this demo was made with other data"):
        demo(Project(empty.root), None)


def test_a_folder_that_is_none_says_what_it_needs(empty: Project, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        demo(empty, tmp_path)
    assert str(caught.value) == (
        "this folder cannot be demonstrated\n"
        f"  where: {tmp_path}\n"
        "  why: it needs a folder series/ with CSV files, and tasks.json, a Label Studio export\n"
        "  next: make demo DATA=FOLDER"
    )


def test_two_people_label_simulated_recordings_through_label_studio(
    empty: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.demo import demo as module

    monkeypatch.setattr(module.settings, "is_external", lambda *_: False)
    monkeypatch.setattr(module, "SECOND", f"ben-{empty.bucket.name}@labeltrail.example")
    simulated = demo_data.workshop(accelerometer.simulate(4, 2, seed=3))
    folder = module._write(empty, simulated)
    import_recordings(empty, str(folder / "series"), folder / "tasks.json")
    for _ in range(2):  # the second time there is nothing left to do
        module._label(empty, simulated)
    state = empty.remote.state()
    assert state is not None
    people = {
        str(task.data["series"]): sorted(a["completed_by"] for a in empty.studio.annotations(task.id))
        for task in empty.studio.tasks(state.project)
    }
    assert [len(set(found)) for found in people.values()] == [2, 2, 2, 2]
    subjects = {str(task.data["subject"]) for task in empty.studio.tasks(state.project)}
    assert subjects == {"subject01", "subject02"}


def test_two_people_say_what_each_heart_beat_is(
    empty: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.demo import demo as module

    monkeypatch.setattr(module.settings, "is_external", lambda *_: False)
    monkeypatch.setattr(module, "SECOND", f"ben-{empty.bucket.name}@labeltrail.example")
    simulated = demo_data.hearts(ecg.simulate(6, 3))
    folder = module._write(empty, simulated)
    import_recordings(empty, str(folder / "series"), folder / "tasks.json")
    module._label(empty, simulated)
    sync(empty)
    assert empty.label_config.task == "multiclass"
    records = [r for shard in snapshot.read(empty.root / snapshot.PATH).values() for r in shard]
    said = {r["series"]: r["result"][0]["value"] for r in records if r["annotator"] != module.SECOND}
    assert said == {beat.series: {"choices": [beat.label]} for beat in ecg.simulate(6, 3)}
    assert len(records) == 12


@pytest.mark.slow  # .ci/run does it by `make demo-classify`
def test_heart_beats_from_nothing_to_predictions(empty: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"BEATS": 40, "HEARTS": 4, "HEARTS_LABELED": 3}.items():
        monkeypatch.setattr(demo_data, name, value)
    params = yaml.safe_load((empty.root / "params.yaml").read_text(encoding="utf-8"))
    params["train"]["classifier"] |= {"steps": 200}
    (empty.root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    done = demo(empty, None, classify=True)
    assert set(done.seconds) == {"servers", "recordings", "labels by two people", "sync", "dvc repro"}
    assert done.scores["test"]["series"]["count"] == 10
    assert done.version.startswith(f"lstm-fcn-{done.commit[:7]}-")
    state = empty.remote.state()
    assert state is not None
    found = empty.studio.predictions(state.project)
    assert len(found) == 40
    said = [item["value"]["choices"] for p in found for item in p["result"]]
    assert len(said) == 40
    assert {label for choices in said for label in choices} <= set(ecg.LABELS)


def test_regions_or_choices_but_not_both_in_one_demo(empty: Project, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--classify goes with no --data") as caught:
        demo(empty, tmp_path, classify=True)
    assert caught.value.cure == f"labeltrail demo --data {tmp_path}"
    write_json(empty.root / FOLDER / "demo.json", {"version": 1, "data": "simulated"})
    with pytest.raises(InputError, match="this demo was made with other data"):
        demo(empty, None, classify=True)


def test_the_last_words_are_about_what_was_asked(tmp_path: Path) -> None:
    regions = {"timepoint": {"balanced_accuracy": 0.9}, "event": {"f1": 0.8, "true": 80}}
    said = "\n".join(DemoResult(scores={"test": regions}).lines(tmp_path))
    assert "test scores   balanced accuracy 0.900, event F1 0.800 of 80 events\n" in said
    assert "servers; make demo starts them again" in said
    choices = {"series": {"accuracy": 0.95, "macro_f1": 0.9412, "count": 20}}
    said = "\n".join(DemoResult(scores={"test": choices}).lines(tmp_path))
    assert "test scores   accuracy 0.950, macro F1 0.941 of 20 recordings\n" in said
    assert "servers; make demo-classify starts them again" in said
