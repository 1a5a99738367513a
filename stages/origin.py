"""Where a candidate comes from, whatever its kind."""

from __future__ import annotations

from stages import params
from storage import checkpoint, dataset, label_config, provenance
from storage.files import md5


def of_candidate(
    model: checkpoint.Checkpoint, index: dataset.Index, settings: params.Params
) -> provenance.Provenance:
    """Its provenance: labels, recordings, params, and the annotations that it learnt from."""
    return provenance.Provenance(
        model=model.hash(),
        labels=index.provenance["labels"],
        series=index.provenance["series"],
        label_config=md5(label_config.PATH),
        dataset=md5(dataset.PATH),
        params={name: getattr(settings, name).model_dump() for name in ("ingest", "window", "train")},
        annotations={
            key: list(index.series[key].annotations)
            for name in model.training["learnt_from"]
            for key in index.of(name)
        },
    )
