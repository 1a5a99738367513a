"""Finds the recordings of a folder, and names every file that is left out, with the reason.

A recording is a file whose name ends in `.csv`, in any case. Its series key is its path in the folder without that.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from storage.errors import InputError
from storage.printable import argument
from storage.s3.keys import case_collisions, key_problem, path_collisions

SHOWN = 3  # files that are named
IGNORED = frozenset({".gitignore", ".gitkeep", ".dvcignore"})
# What operating systems, editors and office programs leave beside files.
SYSTEM_FOLDERS = frozenset({
    "__macosx", ".ipynb_checkpoints", "$recycle.bin", "@eadir", ".trash", ".trashes", ".spotlight-v100", ".fseventsd",
    "system volume information", "__pycache__", ".git", ".dvc",
})  # fmt: skip
SYSTEM_FILES = re.compile(
    r"\._.*|\.DS_Store|Thumbs\.db|desktop\.ini|~\$.*|\.~lock\..*|.*~|.*\.(sw[op]|tmp|part|crdownload|bak)",
    re.IGNORECASE,
)
Kind = tuple[str, str, bool]
# By how a name ends: what such a file is, what to do about it, and whether it may well be a recording.
ENDINGS: dict[str, Kind] = {
    **dict.fromkeys((".gz", ".gzip"), ("packed", "gunzip {0}; then import again", True)),
    ".zip": ("packed", "unzip {0}; then import again", True),
    ".bz2": ("packed", "bunzip2 {0}; then import again", True),
    ".xz": ("packed", "unxz {0}; then import again", True),
    ".zst": ("packed", "unzstd {0}; then import again", True),
    **dict.fromkeys((".7z", ".rar", ".tar", ".tgz", ".z", ".lz4"), ("packed", "unpack {0}; then import again", True)),
    **dict.fromkeys(
        (".tsv", ".tab", ".txt", ".dat", ".asc", ".prn", ".ssv", ".psv", ".log"),
        ("text under another name", "mv {0} {1}.csv if it is a recording: its delimiter is detected", True),
    ),
    **dict.fromkeys(
        (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers"),
        ("of a spreadsheet", "save {0} as CSV in UTF-8; then import again", True),
    ),
    **dict.fromkeys(
        (".parquet", ".pq", ".feather", ".arrow", ".h5", ".hdf5", ".hdf", ".mat", ".npy", ".npz", ".pkl", ".pickle",
         ".edf", ".bdf", ".gdf", ".wav", ".flac", ".tdms", ".mf4", ".mdf", ".rec", ".arff", ".jsonl", ".nc", ".zarr"),
        ("of another format", "write {0} as CSV, with the names of its columns in line 1; then import again", True),
    ),
    ".json": ("in JSON", "labeltrail import FOLDER --labels {0}, if it is an export of Label Studio", False),
    ".xml": ("in XML", "labeltrail import FOLDER --label-config {0}, if it is the label config", False),
}  # fmt: skip


@dataclass(frozen=True)
class LeftOut:
    """Files that were not taken.

    Attributes:
        where: one of them, or the folder of several.
        what: one sentence with their number and some of their names.
        cure: what to do about it.
        fatal: they may be recordings, so something is missing; else this is only worth knowing.
    """

    where: str
    what: str
    cure: str
    fatal: bool = True


def find(path: str) -> tuple[dict[str, Path], list[LeftOut]]:
    """Recordings by series key: in a folder by their path in it, otherwise by their name; and what was left out.

    Raises:
        InputError: there is no recording, or a pattern finds two of one name.
    """
    if os.path.isdir(path):  # noqa: PTH112 -- Path.is_dir fails on a name that no file can have
        files, left = _in_folder(Path(path))
    else:
        files, left = _by_name(path)
    found, others = _by_key(files)
    left += others
    if not found:
        raise _no_recording(path, left)
    return dict(sorted(found.items())), left


def _no_recording(path: str, left: list[LeftOut]) -> InputError:
    ordered = sorted(left, key=lambda out: not out.fatal)
    why = "no *.csv there" + "".join(f"; {out.what}" for out in ordered[:SHOWN])
    cure = ordered[0].cure if ordered and ordered[0].fatal else "labeltrail import FOLDER"
    return InputError("no recording was found", where=path, why=why, cure=cure)


def _by_name(path: str) -> tuple[list[tuple[str, Path]], list[LeftOut]]:
    """Files that a pattern finds; their name is their key."""
    # A name with signs of a pattern in it is a name where there is such a file.
    matches = [path] if os.path.lexists(path) else sorted(glob.glob(path, recursive=True))  # noqa: PTH207 -- Path.glob refuses absolute patterns
    names = [Path(name) for name in matches if not Path(name).is_dir()]
    files: list[tuple[str, Path]] = []
    left = []
    for name in names:
        kind = _kind(Path(name.name))
        if name.exists() and not name.is_file():
            left.append(LeftOut(str(name), "it is no file but a pipe or a device", "name a file", fatal=True))
        # A text file that is named is meant as a recording; packed files and spreadsheets cannot be.
        elif kind is None or kind[0] == "text under another name":
            files.append((name.stem, name))
        else:
            left.append(LeftOut(str(name), f"the file is {kind[0]}", _with_file_name(kind[1], name), kind[2]))
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for stem, name in files:
        by_stem[stem].append(name)
    for stem, some in by_stem.items():
        if len(some) > 1:
            why = f"there are several named {stem}.csv"
            what = "two recordings would get the same series key"
            raise InputError(what, where=path, why=why, cure="import the folder")
    return files, left


def _in_folder(folder: Path) -> tuple[list[tuple[str, Path]], list[LeftOut]]:
    """The CSV files of a folder with their keys, and what else there is, by kind."""
    files: list[tuple[str, Path]] = []
    groups: dict[Kind, list[Path]] = defaultdict(list)
    for path, problem in _walk(folder):
        kind = problem or _kind(path.relative_to(folder))
        if kind is None:
            files.append((path.relative_to(folder).with_suffix("").as_posix(), path))
        elif kind[0]:
            groups[kind].append(path)
    left = [_group(folder, kind, paths) for kind, paths in groups.items()]
    return files, sorted(left, key=lambda out: not out.fatal)


def _walk(folder: Path) -> Iterator[tuple[Path, Kind | None]]:
    """Every file below a folder, and what keeps it from being read."""
    errors: list[OSError] = []
    root = folder.resolve()
    for place, folders, names in os.walk(folder, onerror=errors.append):
        for name in sorted(folders):
            if (Path(place) / name).is_symlink():
                cure = "import the folder that it leads to, or copy it here"
                yield Path(place) / name, ("a link to a folder, which is not followed", cure, True)
        folders[:] = sorted(name for name in folders if not (Path(place) / name).is_symlink())
        for name in sorted(names):
            path = Path(place) / name
            yield path, _not_readable(path, root)
    for error in errors:
        what = f"a folder that cannot be read ({error.strerror})"
        yield Path(error.filename), (what, "chmod -R u+rX {0}", True)


def _not_readable(path: Path, root: Path) -> Kind | None:
    """Why a file cannot be a recording, whatever its name says; what cannot be read is found when it is."""
    if path.suffix.lower() != ".csv":
        return None
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    if not stat.S_ISREG(mode):
        return ("no file but a pipe or a device", "take it out of the folder", True)
    if path.is_symlink() and not path.resolve().is_relative_to(root):
        cure = "copy the file here, if it is a recording: cp --dereference"
        return ("a link that leads out of the folder", cure, True)
    return None


def _kind(path: Path) -> Kind | None:
    """What a file is, by its path in the folder; None for a recording, a kind without a name for what is ours."""
    name, parents = path.name, {part.lower() for part in path.parts[:-1]}
    if name in IGNORED:
        return ("", "", False)
    if parents & SYSTEM_FOLDERS or SYSTEM_FILES.fullmatch(name):
        return ("of an operating system or a program", "nothing: there are no recordings in them", False)
    if any(part.startswith(".") for part in path.parts):
        cure = "mv {0} to a name without the dot, if it is a recording"
        return ("hidden", cure, name.lower().endswith(".csv"))
    for ending, kind in ENDINGS.items():
        if name.lower().endswith(ending):
            return kind
    if path.suffix.lower() == ".csv":
        return None
    return ("of another kind", "nothing, if they are no recordings: those end in .csv", False)


def _group(folder: Path, kind: Kind, paths: list[Path]) -> LeftOut:
    """The summary of all files of one kind."""
    what, cure, fatal = kind
    names = ", ".join(path.relative_to(folder).as_posix() for path in paths[:SHOWN])
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    verb = "1 file is" if len(paths) == 1 else f"{len(paths)} files are"
    where = str(paths[0]) if len(paths) == 1 else str(folder)
    return LeftOut(where, f"{verb} {what}: {names}{more}", _with_file_name(cure, paths[0]), fatal)


def _with_file_name(cure: str, path: Path) -> str:
    """The cure with the file's name in it, quoted for a shell: somebody else may have named the file."""
    names = {"{0}": argument(path), "{1}.csv": argument(path.with_suffix(".csv"))}
    return re.sub(r"\{0\}|\{1\}\.csv", lambda match: names[match[0]], cure)


def _by_key(files: list[tuple[str, Path]]) -> tuple[dict[str, Path], list[LeftOut]]:
    """Recordings by series key, without those whose key cannot be a file's name everywhere."""
    by_key: dict[str, list[Path]] = defaultdict(list)
    left = []
    for key, path in files:
        why = key_problem(key)
        if why:
            left.append(LeftOut(str(path), f"it cannot be a series: {why}", "rename the file"))
        else:
            by_key[key].append(path)
    same: Mapping[tuple[str, ...], str] = {
        names: "" if len(names) == 1 else "which macOS and Windows take for one name: "
        for names in [*((key,) for key, paths in by_key.items() if len(paths) > 1), *case_collisions(by_key)]
    }
    for names, why in same.items():
        paths = [str(path) for name in names for path in by_key.get(name, [])]
        if len(paths) > 1:
            found = ", ".join(Path(path).name for path in paths)
            what = f"{len(paths)} files have one series key, {why}{found}"
            left.append(LeftOut(paths[0], f"{what} ({' and '.join(paths)})", "rename all but one of them"))
    for name in {name for names in same for name in names}:
        by_key.pop(name, None)
    for key, other in sorted(path_collisions(by_key).items()):
        what = f"it would need a folder where the recording {other!r} has a file"
        left.append(LeftOut(str(by_key.pop(key)[0]), what, "rename the file or its folder"))
    return {key: paths[0] for key, paths in by_key.items()}, left
