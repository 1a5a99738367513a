"""DVC pointers such as `data/labels.dvc`: files in git with the hash of a folder in DVC's cache and remote."""

from __future__ import annotations

import re
from pathlib import Path

from storage.errors import InputError
from storage.files import read_text
from storage.printable import argument
from storage.s3.keys import OBJECT

# The hash in a pointer; not the line `hash: md5`.
HASH = re.compile(r"^[- ] md5: *(['\"]?)(\S+)\1 *$", re.MULTILINE)
CONFLICT = re.compile(r"^(<{7}|={7}|>{7})", re.MULTILINE)


def parse_pointer(text: str | None) -> str:
    """The hash in the text of a pointer; "" where there is not exactly one valid hash, or there are conflict markers.

    Not parsed as YAML, which takes seconds for a long history. A hash becomes a path in the cache, so it is
    validated.
    """
    hashes = HASH.findall(text or "")
    if len(hashes) != 1 or not OBJECT.fullmatch(hashes[0][1]) or CONFLICT.search(text or ""):
        return ""
    return str(hashes[0][1])


def pointer_md5(path: Path) -> str:
    """The hash in a pointer of the work tree; "" where there is no such file.

    Raises:
        InputError: it is no valid pointer, for example with conflict markers.
    """
    cure = f"git checkout HEAD -- {argument(path.name)} (in {path.parent.name}/), then labeltrail sync"
    try:
        text = read_text(path, cure)
    except FileNotFoundError:
        return ""
    md5 = parse_pointer(text)
    if not md5:
        why = "it names no hash of a file or folder, or several"
        if CONFLICT.search(text):
            why = "git left conflict marks, or it was edited"
        raise InputError(f"{path.name} is no DVC pointer", where=str(path), why=why, cure=cure)
    return md5
