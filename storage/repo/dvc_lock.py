"""`dvc.lock`: hashes of each stage's inputs and outputs, and which stages are outdated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.errors import InputError
from storage.files import read_text
from storage.paths import BEST, CANDIDATE, LABELS, LOCK, PARAMS, STAGES
from storage.progress import note
from storage.s3.keys import OBJECT, relpath_problem
from storage.text.yaml_text import parse_yaml

CURE = f"git checkout HEAD -- {LOCK}; or, where git has no better one: dvc repro writes it anew"


@dataclass(frozen=True)
class Lock:
    """One `dvc.lock`.

    Attributes:
        text: of the file.
        stages: `cmd`, `deps`, `params`, `outs` by stage, in the form that DVC writes.
    """

    text: str
    stages: Mapping[str, Any]

    @classmethod
    def parse(cls, text: str, where: str = LOCK) -> Lock:
        """Read the file's text.

        Args:
            text: of the file; "" where there is none.
            where: name for errors.

        Raises:
            InputError: it is invalid, for example with conflict markers of git.
        """
        value = parse_yaml(text, where, CURE) or {}
        stages = value.get("stages", {}) if isinstance(value, dict) else None
        if not isinstance(stages, dict):
            why = "it does not say what stages there are"
            raise InputError("cannot be read", where=where, why=why, cure=CURE)
        if why := _problem(stages):
            raise InputError("cannot be read", where=where, why=why, cure=CURE)
        return cls(text, stages)

    @classmethod
    def read(cls, root: Path) -> Lock:
        """Read that of the work tree; an empty one where there is none.

        Raises:
            InputError: as `parse`.
        """
        path = root / LOCK
        return cls.parse(read_text(path, CURE), str(path)) if path.exists() else cls("", {})

    @classmethod
    def of_history(cls, text: str, commit: str) -> Lock | None:
        """That of an old commit; None, with a note, where it is invalid."""
        try:
            return cls.parse(text, f"{LOCK} of {commit[:12]}")
        except InputError as error:
            note(f"{error.where} was left out: {error.why}")
            return None

    def outputs(self, stage: str = "") -> dict[str, str]:
        """Hash of every file and folder that the stages, or one of them, wrote, by path."""
        stages = [self.stages.get(stage, {})] if stage else self.stages.values()
        outs = [out for stage_facts in stages for out in stage_facts.get("outs") or () if "md5" in out]
        return {str(out["path"]): str(out["md5"]) for out in outs}

    def inputs(self, stage: str) -> dict[str, str]:
        """Hash of every file and folder that a stage read, by path."""
        deps = [dep for dep in self.stages.get(stage, {}).get("deps") or () if "md5" in dep]
        return {str(dep["path"]): str(dep["md5"]) for dep in deps}

    @property
    def best(self) -> str:
        """Hash of `data/best`; "" where no stage wrote it."""
        return self.outputs().get(BEST.as_posix(), "")

    @property
    def labels(self) -> str:
        """Hash of the labels of the best model; "" where the stages ran on different labels.

        An interrupted run leaves the dataset of the new labels beside the best model of the old ones.
        """
        written = self.outputs()
        if CANDIDATE.as_posix() not in self.inputs("promote"):
            return ""
        for stage in ("window", "train", "promote"):
            if any(written.get(path, md5) != md5 for path, md5 in self.inputs(stage).items()):
                return ""
        return self.inputs("window").get(LABELS, "")


NO_HASH = "0" * 32  # stands for the hash of a dependency outside of the project, which has none in MD5


def _problem(stages: Mapping[str, Any]) -> str:
    """Why the section `stages` is invalid; "" where it is valid."""
    for name, stage in stages.items():
        entries = [stage.get(kind) or [] for kind in ("deps", "outs")] if isinstance(stage, dict) else None
        params = stage.get("params", {}) if isinstance(stage, dict) else None
        if entries is None or not all(isinstance(found, list) for found in entries):
            return f"what it says of {name!r} is no stage"
        if not isinstance(params, dict) or not isinstance(params.get(PARAMS, {}), dict):
            return f"the params of {name!r} are not named by their file"
        for entry in (*entries[0], *entries[1]):
            if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
                return f"an entry of {name!r} has no path"
            if not OBJECT.fullmatch(str(entry.get("md5", NO_HASH))):
                return f"the hash of {entry['path']!r} of {name!r} is none"
        for entry in entries[1]:
            if why := relpath_problem(entry["path"]):
                return f"{entry['path']!r} of {name!r}: {why}"
    return ""


def outdated(
    lock: Lock, stages: Mapping[str, Any], params: Mapping[str, Any], digest: Callable[[str], str]
) -> dict[str, str]:
    """Stages that `dvc repro` would run with the outputs of a lock, and the changed file or param.

    Args:
        lock: its outputs are in the work tree.
        stages: the stages of `dvc.yaml`, in the order in which they run.
        params: `params.yaml`.
        digest: hashes a file or folder of the work tree that no stage writes.
    """
    written, reasons = lock.outputs(), dict[str, str]()
    remade: set[str] = set()
    for name, stage in stages.items():
        listed = [*stage.get("outs", ()), *stage.get("metrics", ()), *stage.get("plots", ())]
        outputs = [out if isinstance(out, str) else next(iter(out)) for out in listed]
        reason = _reason(lock, name, stage, params, written, remade, digest)
        if reason:
            reasons[name] = reason
            remade.update(outputs)
    return reasons


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
        return STAGES
    inputs = lock.inputs(name)
    for path in stage.get("deps", ()):
        if path in remade or inputs.get(path) != (written[path] if path in written else digest(path)):
            return str(path)
    recorded = known.get("params", {}).get(PARAMS, {})
    return next((key for key in stage.get("params", ()) if recorded.get(key) != _param(params, key)), "")


def _param(params: Mapping[str, Any], key: str) -> Any:
    value: Any = params
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
