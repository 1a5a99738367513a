"""The model that training starts from: `data/start`, pinned by its hash in params.yaml.

`data/start` is no dependency in dvc.yaml, for most projects have none. The param is: it names the model's bytes, so
that the same params still give the same model.
"""

from __future__ import annotations

from stages.classification.model import Classifier, TaskSpec
from stages.classification.plan import Plan
from stages.classification.training import check_start
from storage.artifacts import checkpoint, dataset
from storage.artifacts.provenance import SCRATCH, Provenance, read
from storage.errors import InputError
from storage.paths import START

SHOWN = 5


def load(wanted: str | None, index: dataset.Index, spec: TaskSpec, plan: Plan) -> Classifier | None:
    """Load the model that `train.start` names; None where it names none.

    Raises:
        InputError: it is not there, or is another one; it is not compatible; or it was trained on held-out series.
    """
    if wanted is None:
        return None
    if not START.exists():
        cure = f"dvc pull {START}.dvc; or labeltrail start-from {wanted[:8]}; or none: {SCRATCH}"
        raise _refusal("is not in the work tree", f"train.start in params.yaml is {wanted}", cure)
    saved, origin = checkpoint.read(START), read(START)
    if origin.model != wanted:
        why = f"train.start in params.yaml is {wanted}, {START} holds {origin.model}"
        cure = f"dvc checkout {START}.dvc; or labeltrail start-from {wanted[:8]}; or none: {SCRATCH}"
        raise _refusal("is another one than the params name", why, cure)
    use_params = ""
    try:
        found = Classifier.from_checkpoint(saved)
        if _fixed_properties(found.spec, found.length) == _fixed_properties(spec, index.window.size):
            use_params = f"labeltrail start-from {wanted[:8]} --params takes its params; or "
        shape = plan.shape(len(spec.channels), index.window.size, len(spec.labels))
        check_start(found, shape, spec, plan.scaling)
    except InputError as error:
        cure = f"{use_params}labeltrail start-from another; or none: {SCRATCH}"
        raise _refusal("is not compatible", error.why, cure) from error
    _check_held_out(origin, index)
    return found


def _fixed_properties(spec: TaskSpec, length: int) -> tuple[object, ...]:
    """What a change of params cannot make compatible."""
    return spec.task, spec.labels, spec.channels, spec.columns, length


def _check_held_out(origin: Provenance, index: dataset.Index) -> None:
    """Check that the model was not trained on a series that is held out now."""
    known = origin.trained_on()
    trained_on = {
        key: name
        for name in ("validation", "test")
        for key in index.of(name)
        if known.get(key, set()) & {*index.series[key].annotations}
    }
    if trained_on:
        more = f" and {len(trained_on) - SHOWN} more" if len(trained_on) > SHOWN else ""
        listed = ", ".join(f"{key} ({name})" for key, name in list(trained_on.items())[:SHOWN])
        cure = (
            f"labeltrail start-from another; or none: {SCRATCH}; or train as their split in data/splits.csv"
        )
        raise _refusal("was trained on what is held out now", f"it was trained on {listed}{more}", cure)


def _refusal(what: str, why: str, cure: str) -> InputError:
    return InputError(
        f"the model to start from {what}", where=str(START), why=why, cure=f"{cure}; then dvc repro"
    )
