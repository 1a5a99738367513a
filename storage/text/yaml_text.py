"""Parses untrusted YAML (params, pointers, `dvc.lock`) with limits.

libyaml recurses into nested lists and mappings without a limit: some ten thousand of them crash the process.
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
# Opens a nested list or mapping within a line.
OPENING = re.compile(r"[\[{]|[-?][ \t]+(?=[-?])")
MOST_OPENED = 5_000
# PyYAML raises others than its own errors, for `2026-99-99`, `!!int x`, `!!timestamp x` or `!!bool x`.
FAULTS = (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


def parse_yaml(text: str, where: str, cure: str) -> Any:
    """Parse YAML.

    Args:
        text: of the document.
        where: name for errors.
        cure: the next step, for errors.

    Raises:
        InputError: it is no YAML, nested too deeply, or a value contains itself.
    """
    why = f"lists and mappings are nested more than {DEEPEST} deep"
    try:
        deep = sum(1 for _ in OPENING.finditer(text)) > MOST_OPENED
        value = None if deep else yaml.load(text, Loader=LOADER)  # noqa: S506 -- a safe one
    except FAULTS as error:
        message = " ".join(str(error).split())
        raise InputError("cannot be read", where=where, why=f"not YAML: {message}", cure=cure) from error
    if deep or (isinstance(value, dict | list) and is_deep(value)):
        raise InputError("cannot be read", where=where, why=why, cure=cure)
    return value


def read_yaml(path: Path, cure: str) -> Any:
    """Parse a YAML file.

    Raises:
        FileNotFoundError: it does not exist.
        InputError: as `parse_yaml`, or it is not in UTF-8.
    """
    return parse_yaml(read_text(path, cure), str(path), cure)
