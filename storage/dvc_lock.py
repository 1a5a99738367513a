"""`dvc.lock`: which bytes each stage read and wrote, and what of it no longer holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from storage.git import LABELS
from storage.provenance import BEST, CANDIDATE

PATH = "dvc.lock"
PARAMS = "params.yaml"
# The C parser is ten times as fast, and a long history has many of these files.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Lock:
    """One `dvc.lock`.

    Attributes:
        text: its bytes.
        stages: what it says of each stage: `cmd`, `deps`, `params`, `outs`.
    """

    text: str
    stages: Mapping[str, Any]

    @classmethod
    def parse(cls, text: str) -> Lock:
        """Read the file's text."""
        return cls(text, (yaml.load(text, Loader=LOADER) or {}).get("stages", {}))  # noqa: S506 -- a safe one

    def outputs(self, stage: str = "") -> dict[str, str]:
        """Hash of every file and folder that the stages, or one of them, wrote, by path."""
        stages = [self.stages.get(stage, {})] if stage else self.stages.values()
        return {str(out["path"]): str(out["md5"]) for found in stages for out in found.get("outs", ())}

    def inputs(self, stage: str) -> dict[str, str]:
        """Hash of every file and folder that a stage read, by path."""
        return {str(dep["path"]): str(dep["md5"]) for dep in self.stages.get(stage, {}).get("deps", ())}

    @property
    def best(self) -> str:
        """Hash of `data/best`; "" where no stage wrote it."""
        return self.outputs().get(BEST.as_posix(), "")

    @property
    def labels(self) -> str:
        """The labels that the best was chosen on; "" where the stages ran on different ones.

        A run that was cut off leaves the dataset of the new labels beside the best of the old.
        """
        written = self.outputs()
        if CANDIDATE.as_posix() not in self.inputs("promote"):
            return ""
        for stage in ("window", "train", "promote"):
            if any(written.get(path, md5) != md5 for path, md5 in self.inputs(stage).items()):
                return ""
        return self.inputs("window").get(LABELS, "")


def outdated(
    lock: Lock, stages: Mapping[str, Any], params: Mapping[str, Any], digest: Callable[[str], str]
) -> dict[str, str]:
    """Which stages `dvc repro` would run over the outputs of a lock, and the file or param that is the reason.

    Args:
        lock: whose outputs are in the work tree.
        stages: the stages of `dvc.yaml`, in the order in which they run.
        params: `params.yaml`.
        digest: hash of a file or folder of the work tree that no stage writes.
    """
    written, found = lock.outputs(), dict[str, str]()
    remade: set[str] = set()
    for name, stage in stages.items():
        outputs = [out if isinstance(out, str) else next(iter(out)) for out in _outputs(stage)]
        reason = _reason(lock, name, stage, params, written, remade, digest)
        if reason:
            found[name] = reason
            remade.update(outputs)
    return found


def _outputs(stage: Mapping[str, Any]) -> list[Any]:
    return [*stage.get("outs", ()), *stage.get("metrics", ()), *stage.get("plots", ())]


def _reason(
    lock: Lock,
    name: str,
    stage: Mapping[str, Any],
    params: Mapping[str, Any],
    written: Mapping[str, str],
    remade: set[str],
    digest: Callable[[str], str],
) -> str:
    known = lock.stages.get(name)
    if known is None:
        return "it never ran"
    if known.get("cmd") != stage["cmd"]:
        return "dvc.yaml"
    then = lock.inputs(name)
    for path in stage.get("deps", ()):
        if path in remade or then.get(path) != (written[path] if path in written else digest(path)):
            return str(path)
    taken = known.get("params", {}).get(PARAMS, {})
    return next((key for key in stage.get("params", ()) if taken.get(key) != _param(params, key)), "")


def _param(params: Mapping[str, Any], key: str) -> Any:
    value: Any = params
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
