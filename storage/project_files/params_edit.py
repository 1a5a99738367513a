"""Other values in `params.yaml`, and every other byte of it as it was: comments, order, spelling of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from storage.errors import InputError
from storage.files import write_bytes


def put(path: Path, section: Sequence[str], values: Mapping[str, Any]) -> None:
    """Write values of params into the file, where their present ones stand.

    Args:
        path: a file that `params_file.load` takes.
        section: names of the sections around them, outermost first.
        values: by name; all of them are there already.

    Raises:
        InputError: the file is written in a way (anchors) that would change more than these; it is left alone.
    """
    text = path.read_text(encoding="utf-8")
    wanted = yaml.safe_load(text)
    place = wanted
    for name in section:
        place = place[name]
    place |= values
    edited = text
    nodes = _entries(yaml.compose(text, Loader=yaml.SafeLoader), section)
    for node, value in sorted(
        ((nodes[name], value) for name, value in values.items()), key=lambda pair: -pair[0].start_mark.index
    ):
        first, end = node.start_mark.index, node.end_mark.index
        space = "" if edited[first - 1 : first].isspace() else " "
        edited = edited[:first] + space + _scalar(value) + edited[end:]
    if not _says(edited, wanted):
        listed = "; ".join(f"{name}: {_scalar(value)}" for name, value in values.items())
        raise InputError(
            f"{path} cannot be changed by a program",
            where=str(path),
            why=f"{'.'.join(section)} is not written as one plain value after each name",
            cure=f"write these into it: {listed}",
        )
    write_bytes(path, edited.encode(), durable=True)


def _says(text: str, wanted: Any) -> bool:
    try:
        return bool(yaml.safe_load(text) == wanted)
    except yaml.YAMLError:
        return False


def _entries(node: Any, section: Sequence[str]) -> dict[str, Any]:
    """The nodes of values in a section, by name."""
    found = {key.value: value for key, value in node.value}
    return _entries(found[section[0]], section[1:]) if section else found


def _scalar(value: Any) -> str:
    """As YAML 1.1 writes it: 3e-05 would be text there, 3.0e-05 is a number."""
    return yaml.safe_dump([value], default_flow_style=True).strip()[1:-1]
