"""The label config of an import: given, the project's own, or generated from the export; writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.import_.result import ImportResult
from storage.errors import InputError
from storage.label_studio import label_config, label_config_xml
from storage.label_studio.label_config import LabelConfig
from storage.labels import export
from storage.labels.export import ExportedTask
from storage.printable import shortened
from storage.series import recording_text

HEADER_BYTES = 1 << 20  # of a recording, in which its header is looked for
# Attributes of a label that task data may contain.
LABEL_FIELDS = ("value", "alias", "background", "hotkey")
GENERATED = "the label config made from the export"  # in place of a path


@dataclass(frozen=True)
class Config:
    """A label config that is known before the export is read.

    Attributes:
        text: its XML.
        parsed: its content; labels are placeholders where the task data names them.
        dynamic: key of the task data that names the labels; "" where the config does.
        path: the file it is from, for errors.
    """

    text: str
    parsed: LabelConfig
    dynamic: str
    path: str


def read(root: Path, config_file: Path | None) -> Config | None:
    """Read the label config that was given, or the project's; None where one has to be generated.

    Raises:
        InputError: it cannot be read or used.
    """
    own = root / label_config.PATH
    if config_file is None and not own.exists():
        return None
    path = config_file or own
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        what = "the label config cannot be read"
        raise InputError(what, where=str(path), why=str(error), cure="check the path") from error
    except ValueError as error:
        what, cure = "the label config is not text in UTF-8", "save it in UTF-8, then import again"
        raise InputError(what, where=str(path), why=str(error), cure=cure) from error
    dynamic = label_config_xml.dynamic_key(text, str(path)) if config_file else ""
    draft = label_config_xml.with_labels(text, [{"value": "?"}]) if dynamic else text
    return Config(text, label_config.parse(draft, str(path)), dynamic, str(path))


def complete(
    found: Config | None,
    exported: Sequence[ExportedTask],
    example: Callable[[], Path],
    root: Path,
    result: ImportResult,
) -> tuple[str, LabelConfig]:
    """Complete the label config with what the export has; returns its text and the parsed config.

    Args:
        found: known before the export was read.
        exported: the export's tasks; empty without one.
        example: a recording, for the names of its columns.
        root: of the project, whose own label config must have the same data key.
        result: of the import, for notes.

    Raises:
        InputError: there is none, and none can be generated; or labels are left to task data that does not name them.
    """
    if found is None and not exported:
        where, cure = str(root / label_config.PATH), "labeltrail import PATH --label-config FILE"
        raise InputError("this project has no label config yet", where=where, cure=cure)
    if found is None:
        text = export.label_config(exported, _header(example()))
        found = Config(text, label_config.parse(text, GENERATED), "", "")
    text = found.text
    if found.dynamic:
        labels = _labels(exported, found)
        text = label_config_xml.with_labels(text, labels)
        what = f"its labels come from the task data (${found.dynamic}): the {len(labels)} in the export"
        result.note(found.path, f"{what} are written into it", "nothing: they are kept")
    if found.parsed.inline:
        text = label_config_xml.by_address(text)
    parsed = label_config.parse(text, found.path or GENERATED)
    _check_data_key(root, parsed, found.path)
    columns = [] if parsed.time_column else _header(example())
    times = [name for name in columns if name.lower() in export.TIME_NAMES]
    if times and not set(times) & set(parsed.channels):
        column = shortened(repr(times[0]))
        what = f"it has no timeColumn, so times are rows, 0, 1, 2; recordings have a column {column}"
        cure = f'nothing, if rows are meant; else write timeColumn="{shortened(times[0])}" into <TimeSeries>'
        result.note(found.path or "the label config", what, cure)
    return text, parsed


def _header(path: Path) -> list[str]:
    """The columns of a recording that have a name."""
    try:
        with path.open("rb") as file:
            return [name for name in recording_text.read_header(file.read(HEADER_BYTES))[1] if name]
    except OSError:
        return []  # the check of recordings reports it


def _labels(exported: Sequence[ExportedTask], found: Config) -> list[dict[str, str]]:
    """All labels that tasks name, each once, in order of appearance."""
    labels: dict[str, dict[str, str]] = {}
    for task in exported:
        for value in _parse_labels(task.data.get(found.dynamic)):
            labels.setdefault(value.get("alias") or value["value"], value)
    if not labels:
        raise InputError(
            f"the label config leaves its labels to the task data: ${shortened(found.dynamic)}",
            where=found.path,
            why="no task names any" if exported else "there is no export with task data",
            cure="write the labels into the label config as tags, or add --labels EXPORT.json with them",
        )
    return list(labels.values())


def _parse_labels(value: Any) -> list[dict[str, str]]:
    """Labels in task data: objects with a value, or texts."""
    found: list[dict[str, str]] = []
    for item in value if isinstance(value, list) else []:
        fields: Mapping[str, Any] = item if isinstance(item, dict) else {"value": item}
        label = {name: fields[name] for name in LABEL_FIELDS if isinstance(fields.get(name), str)}
        if label.get("value"):
            found.append(label)
    return found


def _check_data_key(root: Path, parsed: LabelConfig, path: str) -> None:
    """The existing tasks have their recordings under one key: another label config must name it too."""
    own = root / label_config.PATH
    if not own.exists():
        return
    try:
        before = label_config.load(own).data_key
    except InputError:
        return  # the old one is invalid, so its key is unknown
    if before != parsed.data_key:
        raise InputError(
            f"the label config looks for recordings under ${parsed.data_key}",
            where=path,
            why=f"the tasks of this project have them under ${before}",
            cure=f'write <TimeSeries value="${before}"> into it, then import again',
        )
