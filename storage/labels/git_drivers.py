"""git diff and merge drivers: `git diff`, `git log -p` and `git merge` compare and merge labels by region.

git starts `python -m storage.labels.git_drivers` for every file, so it imports little. The drivers write to the
DVC cache and to the file that git names, never to the work tree.
"""

from __future__ import annotations

import operator
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from storage.errors import InputError, LabeltrailError
from storage.files import read_text
from storage.label_studio.label_config import LabelConfig
from storage.labels import conflicts, label_changes, label_store
from storage.labels.annotation_merge import item_name, items
from storage.labels.snapshot import Record
from storage.labels.three_way import Conflict, Merge, Settlement, take_one_side, three_way
from storage.network import loopback
from storage.paths import LABELS, SERIES
from storage.printable import printable, say
from storage.process import ProgramError
from storage.project_files import splits_file, tasks_file
from storage.repo.dvc_cache import Cache
from storage.repo.git import Git, find_root
from storage.repo.pointer import parse_pointer
from storage.repo.repository import Repository
from storage.text import csv_text

COMMAND = "-P -m storage.labels.git_drivers"
NAME = "labeltrail"
LARGEST = 64_000_000  # bytes of shards that are written as text for git to compare
MARKS = ("<<<<<<< ours\n", "=======\n", ">>>>>>> theirs\n")
Texts = tuple[str, str, str]  # base, ours, theirs


@dataclass(frozen=True)
class Merged:
    """The result of merging a file.

    Attributes:
        text: the merged file; with open conflicts, both versions between git's conflict markers.
        open: open conflicts by name, a line each.
        note: a summary for the person who merges.
    """

    text: str
    open: dict[str, str] = field(default_factory=dict)
    note: str = ""


def main(arguments: list[str]) -> int:
    """Entry point for git: `textconv FILE`, or `merge BASE OURS THEIRS PATH`; returns the exit status."""
    loopback.bypass_proxies()
    repository = Repository(find_root(Path.cwd()))
    if arguments[0] == "textconv":
        sys.stdout.writelines(textconv(repository, Path(arguments[1]).read_text(encoding="utf-8")))
        return 0
    base, ours, theirs = map(Path, arguments[1:4])
    merged = merge_files(repository, base, ours, theirs, arguments[4])
    for text in merged.open.values() or [merged.note]:
        for line in text.split("\n"):
            say(f"{arguments[4]}: {line}", sys.stderr)
    if merged.open:
        print("  next: git merge --abort; then git -c labeltrail.settle=ours merge NAME", file=sys.stderr)
        print("        (or theirs, or one by one as in 1-9f3c1a/x1=ours)", file=sys.stderr)
    return 1 if merged.open else 0


def configure(git: Git) -> None:
    """Configure this clone's git with the drivers that `.gitattributes` names."""
    program = f"{shlex.quote(sys.executable)} {COMMAND}"
    # git replaces placeholders that begin with % in a merge driver.
    merging = program.replace("%", "%%")
    wanted = {
        # Where the program fails or is missing, git shows the pointer as it is.
        f"diff.{NAME}.textconv": f'f() {{ {program} textconv "$1" 2>/dev/null || cat "$1"; }}; f',
        f"merge.{NAME}.name": "labels by region",
        f"merge.{NAME}.driver": f"{merging} merge %O %A %B %P",
        # Of several merge bases the older is taken whole: that may add a conflict, never hide one.
        f"merge.{NAME}.recursive": "binary",
    }
    for name, value in wanted.items():
        git.run("config", "--local", name, value)


def outdated(git: Git) -> list[str]:
    """Settings of git that start the driver of an earlier Labeltrail, which no longer exists."""
    lines = git.run("config", "--local", "--list").splitlines()
    settings = [
        line.partition("=")
        for line in lines
        if line.startswith((f"diff.{NAME}.text", f"merge.{NAME}.driver"))
    ]
    return [name for name, _, value in settings if f" {COMMAND} " not in value]


# -- diff -----------------------------------------------------------------------------------------


def textconv(repository: Repository, text: str) -> Iterator[str]:
    """The content of a pointer as sorted lines, one for each region; a single line where the DVC cache lacks it."""
    md5 = parse_pointer(text)
    path = LABELS if re.search(r"^ *path: labels$", text, re.MULTILINE) else SERIES
    if not md5:
        yield text
    elif repository.cache.size(md5) is None:
        yield f"{md5}: not in the DVC cache (dvc fetch --all-commits)\n"
    elif path == SERIES:
        files = sorted(repository.folder(md5, SERIES).items())
        yield from (f"{printable(name)}  {file_md5}\n" for name, file_md5 in files)
    else:
        yield from _label_lines(repository, md5)


def _label_lines(repository: Repository, md5: str) -> Iterator[str]:
    shards = repository.folder(md5, LABELS)
    sizes = {name: repository.cache.size(shard_md5) for name, shard_md5 in shards.items()}
    missing = [name for name, size in sizes.items() if size is None]
    if missing:
        yield f"{md5}: {len(missing)} shards are not in the DVC cache (dvc fetch --all-commits)\n"
    elif sum(size or 0 for size in sizes.values()) > LARGEST:
        yield "too many labels to write them all out: labeltrail diff reads the shards that differ\n"
        yield from (f"{name}  {shard_md5}\n" for name, shard_md5 in sorted(shards.items()))
    else:
        config = label_store.config_at(repository.git)
        records = label_store.records(repository, md5)
        yield from sorted(line for record in records for line in record_lines(record, config))


def record_lines(record: Record, config: LabelConfig | None = None) -> Iterator[str]:
    """A line for the flags of an annotation, where it has any, and one for each item of its result."""
    who = f"{record['series']}  {record['annotator']}  {record['id']}"
    facts = [
        word
        for name, word in (("was_cancelled", "skipped"), ("ground_truth", "ground truth"))
        if record[name]
    ]
    empty = label_changes.empty_text(record, config)
    facts += [empty] if empty else []
    if facts:
        yield f"{printable(who)}  * {', '.join(facts)}\n"
    for key, item in items(record["result"]).items():
        yield printable(f"{who}/{item_name(key)}  {label_changes.item_text(item)}") + "\n"


# -- merge ----------------------------------------------------------------------------------------


def merge_files(repository: Repository, base: Path, ours: Path, theirs: Path, path: str) -> Merged:
    """Merge a file for git and write the result to `ours`; conflicts are returned, never raised."""
    try:
        texts = [read_text(file, "git merge --abort") for file in (base, ours, theirs)]
    except InputError as error:
        return Merged("", {"": f"{error}\n  (it stays as it was)"})
    try:
        merged = merge(repository, path, (texts[0], texts[1], texts[2]), settlement(repository.git))
        if path == splits_file.PATH.as_posix() and not merged.open:
            splits_file.parse(merged.text, path)
    except LabeltrailError as error:
        merged = Merged(_with_markers(texts[1], texts[2]), {"": str(error)})
    ours.write_text(merged.text, encoding="utf-8")
    return merged


def settlement(git: Git) -> Settlement:
    """How conflicts are settled, from git's settings: `git -c labeltrail.settle=theirs merge NAME`.

    Raises:
        InputError: the setting is neither `ours`, `theirs` nor `NAME=ours`.
    """
    try:
        values = git.run("config", "--get-all", f"{NAME}.settle").split()
    except ProgramError:
        return Settlement()
    everything = [value for value in values if value in ("ours", "theirs")]
    by_name = [value for value in values if value not in everything]
    return Settlement.parse(everything[-1] if everything else "", by_name)


def merge(repository: Repository, path: str, texts: Texts, settled: Settlement) -> Merged:
    """Three-way merge of one of the project's files.

    Raises:
        NotFoundError: labels of one side are neither in the DVC cache nor in its remote.
        InputError: one of the texts is invalid.
    """
    if path == f"{LABELS}.dvc":
        return _merge_labels(repository, texts, settled)
    if path == f"{SERIES}.dvc":
        return _merge_series(repository, texts, settled)
    if path == tasks_file.PATH.as_posix():
        return _merge_lines("tasks", tuple(map(_task_lines, texts)), settled)
    if path == splits_file.PATH.as_posix():
        return _merge_lines(
            "splits", tuple(map(_split_rows, texts)), settled, csv_text.line(splits_file.HEADER)
        )
    return Merged(texts[1], note="ours stays; dvc repro makes the model of the merged labels")


def _merge_labels(repository: Repository, texts: Texts, settled: Settlement) -> Merged:
    base, ours, theirs = _hashes(texts)

    def pointer(merged: label_store.LabelMerge) -> str:
        shards = {name: after for name, (_, after) in merged.shards.items()}
        return pointer_text(repository, texts[1], label_store.store(repository, ours, shards))

    config = label_store.config_at(repository.git, "HEAD")
    merged = label_store.merge(repository, base, ours, theirs, settled, config)
    if not merged.conflicts:
        counts = label_changes.count(merged.incoming(), config=config)
        return Merged(pointer(merged), note=f"{label_changes.signed(counts.regions) or 'no'} labels came in")
    other = label_store.merge(repository, base, ours, theirs, Settlement("theirs", settled.named), config)
    return Merged(_with_markers(pointer(merged), pointer(other)), _open(merged.conflicts))


def _merge_series(repository: Repository, texts: Texts, settled: Settlement) -> Merged:
    base, ours, theirs = map(repository.folder, _hashes(texts))

    def pointer(merged: Merge[str]) -> str:
        return pointer_text(repository, texts[1], repository.cache.store({}, merged.merged))

    merged: Merge[str] = three_way(base, ours, theirs, operator.eq, take_one_side(settled, "series"))
    if not merged.conflicts:
        counts = label_changes.signed(label_changes.signs(merged.incoming))
        return Merged(pointer(merged), note=f"{counts or 'no'} recordings came in")
    settled = Settlement("theirs", settled.named)
    other = three_way(base, ours, theirs, operator.eq, take_one_side(settled, "series"))
    return Merged(_with_markers(pointer(merged), pointer(other)), _open(merged.conflicts))


def _merge_lines(
    kind: str, sides: tuple[Mapping[str, str], ...], settled: Settlement, header: str = ""
) -> Merged:
    """Merge a file with one row for each series; `sides` are base, ours and theirs, rows by series."""
    base, ours, theirs = sides
    merged: Merge[str] = three_way(base, ours, theirs, operator.eq, take_one_side(settled, kind))
    conflicting = {c.series: _with_markers(c.ours or "", c.theirs or "") for c in merged.conflicts}
    lines = {**merged.merged, **conflicting}
    text = header + "".join(lines[name] for name in sorted(lines))
    note = f"{label_changes.plural(len(merged.incoming), 'line')} came in"
    return Merged(text, _open(merged.conflicts), note)


def _open(open_conflicts: Iterable[Conflict]) -> dict[str, str]:
    return {conflict.name: conflicts.line(conflict, "") for conflict in open_conflicts}


def _task_lines(text: str) -> dict[str, str]:
    """Lines of data/tasks.jsonl by series; split at line feeds alone, for JSON may hold other line ends (U+2028).

    Raises:
        InputError: a line is no task, or a series has two.
    """
    tasks_file.parse(text, str(tasks_file.PATH))
    lines = [line for line in text.split("\n") if line]
    return {tasks_file.parse_line(line, str(tasks_file.PATH))[0]: f"{line}\n" for line in lines}


def _split_rows(text: str) -> dict[str, str]:
    """Rows of data/splits.csv by series; a cell may hold line ends.

    Raises:
        InputError: a row is invalid, or a series has two.
    """
    if not text:
        return {}
    return {series: csv_text.line(cells) for series, (_, cells) in splits_file.cells_by_series(text).items()}


def _hashes(texts: Texts) -> Texts:
    """Hashes of base, ours and theirs; an invalid pointer is an error, not an empty folder."""
    base, ours, theirs = map(parse_pointer, texts)
    for text, md5, side in ((texts[1], ours, "ours"), (texts[2], theirs, "theirs")):
        if text and not md5:
            raise InputError(f"{side} is no DVC pointer", why="it names no hash, or more than one")
    return base, ours, theirs


def _with_markers(ours: str, theirs: str) -> str:
    return f"{MARKS[0]}{ours}{MARKS[1]}{theirs}{MARKS[2]}"


def pointer_text(repository: Repository, text: str, md5: str) -> str:
    """A pointer's text with another hash; other keys in it stay.

    Raises:
        InputError: the folder would be empty, which DVC does not track.
    """
    if not md5:
        raise InputError("the merged folder would be empty", cure="git merge --abort; then keep a side of it")
    old, new = (repository.folder(each) for each in (parse_pointer(text), md5))
    facts: Mapping[str, int | None] = {"nfiles": len(new), "size": _size(repository.cache, text, old, new)}
    text = text.replace(parse_pointer(text), md5)
    for name, value in facts.items():
        line = f"  {name}: {value}\n" if value is not None else ""
        text = re.sub(rf"^  {name}: \d+\n", line, text, flags=re.MULTILINE)
    return text


def _size(cache: Cache, text: str, old: Mapping[str, str], new: Mapping[str, str]) -> int | None:
    """Bytes of the new folder, from those of the old; None where the cache lacks a file that differs."""
    recorded = re.search(r"^  size: (\d{1,18})$", text, re.MULTILINE)
    total = int(recorded[1]) if recorded else None
    for name in label_store.differing(old, new):
        for folder, sign in ((old, -1), (new, 1)):
            size = cache.size(folder[name]) if name in folder else 0
            total = None if total is None or size is None else total + sign * size
    return total


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
