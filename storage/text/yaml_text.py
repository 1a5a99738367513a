"""YAML that somebody else may have written (params, pointers, `dvc.lock`), read with limits.

libyaml goes down into lists and mappings without looking how deep: some ten thousand of them end the process.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from storage.errors import InputError
from storage.files import read_text
from storage.text.json_text import DEEPEST, is_deep

# libyaml's parser is ten times as fast, and a long history has many of these files.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# What may put one value into another without a line of its own.
OPENING = re.compile(r"[\[{]|[-?][ \t]+(?=[-?])")
MOST_OPENED = 5_000
# What PyYAML lets through of Python's own: of `2026-99-99`, `!!int x`, `!!timestamp x`, `!!bool x`.
FAULTS = (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


def parse_yaml(text: str, where: str, cure: str) -> Any:
    """The value of a text.

    Args:
        text: all of it.
        where: what errors call it.
        cure: what to do about a text that is none.

    Raises:
        InputError: it is no YAML, lists and mappings lie too deep in each other, or a value lies in itself.
    """
    why = f"lists and mappings lie more than {DEEPEST} deep in each other"
    try:
        deep = sum(1 for _ in OPENING.finditer(text)) > MOST_OPENED
        value = None if deep else yaml.load(text, Loader=LOADER)  # noqa: S506 -- a safe one
    except FAULTS as error:
        told = " ".join(str(error).split())
        raise InputError("cannot be read", where=where, why=f"not YAML: {told}", cure=cure) from error
    if deep or (isinstance(value, dict | list) and is_deep(value)):
        raise InputError("cannot be read", where=where, why=why, cure=cure)
    return value


def read_yaml(path: Path, cure: str) -> Any:
    """The value of a file.

    Raises:
        FileNotFoundError: it is not there.
        InputError: as `parse_yaml`, or it is not in UTF-8.
    """
    return parse_yaml(read_text(path, cure), str(path), cure)
