"""Commands that move labels: sync."""

from __future__ import annotations

from pipelines.commands.line import Json, app, next_step, project_here, say


@app.command()
def sync(as_json: Json = False) -> None:
    """Make bucket, Label Studio and label commit agree again.

    Example: labeltrail sync
    """
    from pipelines.sync import sync as bring_together

    done = bring_together(project_here())
    say(as_json, done.to_json(), done.lines())
    next_step(as_json, "dvc repro" if done.commit else "label in Label Studio, then labeltrail sync")
