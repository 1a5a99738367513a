"""A DVC pointer such as `data/labels.dvc`: the file in git that names a folder in DVC's cache and remote."""

from __future__ import annotations

import re
from pathlib import Path

from storage.errors import InputError
from storage.files import read_text
from storage.printable import argument
from storage.s3.keys import OBJECT

# Hash in a pointer, and not the line that says which kind of hash it is.
HASH = re.compile(r"^[- ] md5: *(['\"]?)(\S+)\1 *$", re.MULTILINE)
CONFLICT = re.compile(r"^(<{7}|={7}|>{7})", re.MULTILINE)


def parse_pointer(text: str | None) -> str:
    """Hash in the text of a pointer; "" where there is none, not exactly one, what is there is no hash, or git left
    conflict marks.

    Read as text: a parser of YAML takes seconds for the pointers of a long history. A hash becomes a path in the
    cache, so nothing else passes.
    """
    found = HASH.findall(text or "")
    if len(found) != 1 or not OBJECT.fullmatch(found[0][1]) or CONFLICT.search(text or ""):
        return ""
    return str(found[0][1])


def pointer_md5(path: Path) -> str:
    """The hash that a pointer of the work tree holds; "" where there is none.

    Raises:
        InputError: it is no pointer, for example because git left conflict marks in it.
    """
    cure = f"git checkout HEAD -- {argument(path.name)} (in {path.parent.name}/), then labeltrail sync"
    try:
        text = read_text(path, cure)
    except FileNotFoundError:
        return ""
    md5 = parse_pointer(text)
    if not md5:
        marks = CONFLICT.search(text)
        why = (
            "git left conflict marks, or it was edited"
            if marks
            else "it names no hash of a file or folder, or several"
        )
        raise InputError(f"{path.name} is no DVC pointer", where=str(path), why=why, cure=cure)
    return md5
