"""Where a candidate comes from, whatever its kind."""

from __future__ import annotations

from stages import params
from storage.artifacts import checkpoint, dataset, provenance
from storage.files import md5
from storage.label_studio import label_config
from storage.paths import START


def of_candidate(
    model: checkpoint.Checkpoint, index: dataset.Index, settings: params.Params
) -> provenance.Provenance:
    """Its provenance: labels, recordings, params, the annotations of the training, and the model it started from."""
    annotations = {
        key: list(index.series[key].annotations)
        for name in model.training["learnt_from"]
        for key in index.of(name)
    }
    start = provenance.read(START) if settings.train.start else None
    return provenance.Provenance(
        model=model.hash(),
        labels=index.provenance["labels"],
        series=index.provenance["series"],
        label_config=md5(label_config.PATH),
        dataset=md5(dataset.PATH),
        params={name: getattr(settings, name).model_dump() for name in ("ingest", "window", "train")},
        annotations=annotations,
        start=start.model if start else "",
        earlier=_earlier(start, annotations) if start else {},
    )


def _earlier(start: provenance.Provenance, annotations: dict[str, list[str]]) -> dict[str, list[str]]:
    """Annotations that only the model it started from was trained on, by series."""
    found = {key: sorted(ids - {*annotations.get(key, ())}) for key, ids in start.trained_on().items()}
    return {key: ids for key, ids in found.items() if ids}
