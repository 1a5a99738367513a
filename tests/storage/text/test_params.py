"""params.yaml: all problems at once, in words; stage = file = section."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from stages import params
from storage.errors import InputError

ROOT = Path(__file__).parents[3]


def test_a_stage_is_a_file_is_a_section():
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    sections = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert set(sections) == {*pipeline, "splits", "sync", "tuning"} == set(params.Params.model_fields)
    for name, stage in pipeline.items():
        assert stage["cmd"] == f"python -m stages.{name}"
        assert f"stages/{name}.py" in stage["deps"]


def test_stages_name_single_params_and_never_a_section():
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    named = {name for stage in pipeline.values() for name in stage.get("params", [])}
    settings = params.load(ROOT / "params.yaml")
    every = {f"{section}.{key}" for section in pipeline for key in getattr(settings, section).model_dump()}
    assert named == every


def described(model: type[BaseModel] = params.Params, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each param and what it is."""
    for name, field in model.model_fields.items():
        nested = field.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            yield from described(nested, f"{prefix}{name}.")
        else:
            yield prefix + name, field.description or ""


def test_every_param_says_what_it_is():
    assert [name for name, description in described() if not description] == []


def test_the_recipe_has_every_param_in_its_own_words():
    table = (ROOT / "docs/recipes/tuning.md").read_text(encoding="utf-8").partition("## Every param")[2]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{name}` | {description} |" for name, description in described()]


@pytest.mark.parametrize(
    ("section", "name", "value", "bound"),
    [
        ("ingest", "gap", float("inf"), "less than 1e+09"),
        ("train", "seed", 2**70, "less than 4.29497e+09"),
        ("train", "learning_rate", float("nan"), "at most 1"),
    ],
)
def test_numbers_that_no_file_or_generator_takes(
    tmp_path: Path, section: str, name: str, value: float, bound: str
):
    given = yaml.safe_load((ROOT / "params.yaml").read_text())
    given[section][name] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(given))
    with pytest.raises(InputError, match=re.escape(f"{section}.{name} is {value!r}: it must be {bound}; ")):
        params.load(path)


@pytest.mark.parametrize("start", ["abcdef12", 78657612, "A" * 32])
def test_what_training_starts_from_is_a_whole_hash(tmp_path: Path, start: object):
    given = yaml.safe_load((ROOT / "params.yaml").read_text())
    given["train"]["start"] = start
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(given))
    with pytest.raises(InputError) as caught:
        params.load(path)
    assert caught.value.what.splitlines()[1:] == [
        f"  - train.start: {start!r} is no model's hash of 32 hex digits; `labeltrail start-from MODEL` writes it "
        "and brings the model, null trains from scratch"
    ]


def test_all_problems_at_once_in_words(tmp_path: Path):
    value = yaml.safe_load((ROOT / "params.yaml").read_text())
    value["splits"]["shares"]["train"] = 0.5
    value["window"]["size"] = "big"
    value["train"]["epochs"] = 0
    value["train"]["epoch"] = 3
    value["train"]["class_weights"] = "perhaps"
    value["predict"]["series"] = "some"
    del value["promote"]["metric"]
    del value["evaluate"]
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(value))
    with pytest.raises(InputError) as caught:
        params.load(path)
    assert caught.value.what.splitlines() == [
        "8 problem(s) in the params:",
        "  - splits.shares: train, validation and test must add up to 1",
        "  - window.size is 'big': it must be a whole number; timepoints of a window in training; "
        "longer: more context, fewer and slower batches; 0: several times a long region, as the train split has them",
        "  - train.epochs is 0: it must be at least 1; passes over the train split at most; the learning rate "
        "follows them",
        "  - train.class_weights is 'perhaps': it must be true or false; rare classes count more in the loss "
        "(square root of their rarity)",
        "  - train.epoch is not a param: delete it; there are: epochs, patience, enough_balanced_accuracy, "
        "enough_worst_f1, batch_size, min_batches, learning_rate, weight_decay, front_end, hidden_size, "
        "dropout, class_weights, flip, splice, shuffle, refit, device, seed, draft, start, precision, classifier",
        "  - evaluate is missing: Candidate to scores.",
        "  - promote.metric is missing: score on the test split by which candidate and best are compared; null: "
        "event_f1 of regions, macro_f1 of whole series",
        "  - predict.series is 'some': it must be 'all' or 'unassigned'; all series, or only those without a split",
    ]
    assert caught.value.cure == f"mend them in {path}, then run the command again"


@pytest.mark.parametrize(
    ("text", "what"),
    [("train: [", "cannot be read"), ("", "1 problem(s) in the params:")],
)
def test_a_file_that_is_no_params(tmp_path: Path, text: str, what: str):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=what.replace("(", r"\(").replace(")", r"\)")):
        params.load(path)


def test_no_file(tmp_path: Path):
    with pytest.raises(InputError, match="this project has no params"):
        params.load(tmp_path / "params.yaml")
