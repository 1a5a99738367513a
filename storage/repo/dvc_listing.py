"""A folder that DVC tracks, as its listing says: `[{"md5": .., "relpath": ..}, ..]`, named by its own MD5 and `.dir`.

Whoever can write to the DVC remote can put any listing there, so none is trusted: a name in it must stay in its
folder, and in the folders of labels and recordings be one that Labeltrail could have written.
"""

from __future__ import annotations

import json

from storage.errors import DamagedError
from storage.paths import LABELS, SERIES
from storage.s3.keys import MD5, SHARD, key_problem, relpath_problem


def parse(data: bytes, md5: str, path: str = "") -> dict[str, str]:
    """The files of a folder: hash by relative path.

    Args:
        data: the listing's bytes, which have the hash.
        md5: hash of the folder.
        path: which folder it is: `data/labels`, `data/series`, or "" for any.

    Raises:
        DamagedError: it is no listing, or a name in it leads elsewhere.
    """
    files: dict[str, str] = {}
    try:
        entries = [(entry["relpath"], entry["md5"]) for entry in json.loads(data)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _refused(md5, path, f"it is no listing of files: {error}") from error
    for name, found in entries:
        if not (isinstance(name, str) and isinstance(found, str) and MD5.fullmatch(found)):
            raise _refused(md5, path, f"an entry of it is no file: {name!r}: {found!r}")
        why = _why_not(name, path)
        if why or name in files:
            raise _refused(md5, path, f"{name!r} is in it: {why or 'twice'}")
        files[name] = found
    folders = {
        "/".join(parts[:n]) for parts in (name.split("/") for name in files) for n in range(1, len(parts))
    }
    if folders & files.keys():
        name = min(folders & files.keys())
        raise _refused(md5, path, f"{name!r} is a file and a folder in it")
    return files


def _why_not(name: str, path: str) -> str:
    if path == LABELS:
        return "" if SHARD.fullmatch(name) else "no file of a label snapshot has such a name"
    if path == SERIES:
        named = name.endswith(".csv")
        return key_problem(name.removesuffix(".csv")) if named else "it is no recording (.csv)"
    return relpath_problem(name)


def _refused(md5: str, path: str, why: str) -> DamagedError:
    what = f"the listing of {path or 'a folder'} cannot be used"
    where = f"files/md5/{md5[:2]}/{md5[2:]} in the DVC cache and remote"
    cure = "labeltrail fsck; whoever can write to the bucket may have put it there"
    return DamagedError(what, where=where, why=f"{why}; nothing was written", cure=cure)
