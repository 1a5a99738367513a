"""Listings of folders that DVC tracks: `[{"md5": .., "relpath": ..}, ..]`, named by their own MD5 and `.dir`.

Anybody with write access to the DVC remote may have changed one: a path in it must stay in its folder, and in the
folders of labels and recordings have the form that Labeltrail writes.
"""

from __future__ import annotations

import json

from storage.errors import DamagedError
from storage.paths import LABELS, SERIES
from storage.s3.keys import MD5, SHARD, key_problem, relpath_problem


def parse(data: bytes, md5: str, path: str = "") -> dict[str, str]:
    """The files of a folder: hash by relative path.

    Args:
        data: the listing's bytes, which match the hash.
        md5: hash of the folder.
        path: which folder it is: `data/labels`, `data/series`, or "" for any.

    Raises:
        DamagedError: it is no listing, or a path in it leads out of its folder.
    """
    files: dict[str, str] = {}
    try:
        entries = [(entry["relpath"], entry["md5"]) for entry in json.loads(data)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _invalid(md5, path, f"it is no listing of files: {error}") from error
    for name, md5_of_file in entries:
        if not (isinstance(name, str) and isinstance(md5_of_file, str) and MD5.fullmatch(md5_of_file)):
            raise _invalid(md5, path, f"an entry of it is no file: {name!r}: {md5_of_file!r}")
        why = _name_problem(name, path)
        if why or name in files:
            raise _invalid(md5, path, f"{name!r} is in it: {why or 'twice'}")
        files[name] = md5_of_file
    folders = {
        "/".join(parts[:n]) for parts in (name.split("/") for name in files) for n in range(1, len(parts))
    }
    if folders & files.keys():
        name = min(folders & files.keys())
        raise _invalid(md5, path, f"{name!r} is a file and a folder in it")
    return files


def _name_problem(name: str, path: str) -> str:
    if path == LABELS:
        return "" if SHARD.fullmatch(name) else "no file of a label snapshot has such a name"
    if path == SERIES:
        named = name.endswith(".csv")
        return key_problem(name.removesuffix(".csv")) if named else "it is no recording (.csv)"
    return relpath_problem(name)


def _invalid(md5: str, path: str, why: str) -> DamagedError:
    what = f"the listing of {path or 'a folder'} cannot be used"
    where = f"files/md5/{md5[:2]}/{md5[2:]} in the DVC cache and remote"
    cure = "labeltrail fsck; whoever can write to the bucket may have put it there"
    return DamagedError(what, where=where, why=f"{why}; nothing was written", cure=cure)
