"""Matches tasks of an export with recordings, by the end of the address in the task data."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from storage.labels.export import ExportedTask
from storage.labels.export_address import UPLOAD, path_of

# Label Studio prefixes the name of an uploaded file with eight hex digits, ..
UPLOADED = re.compile(r"[0-9a-f]{8}-")
# .. removes these characters, as Django does, ..
NOT_IN_NAMES = re.compile(r"[^-\w.]")
# .. and truncates names whose whole path would be longer than this, with a suffix of seven random letters.
LONGEST_PATH = 100
CUT = re.compile(r"_[A-Za-z0-9]{7}")


@dataclass
class Matches:
    """The recording of each task.

    Attributes:
        series: tasks by series key.
        unmatched: tasks without a recording.
        ambiguous: tasks that match several recordings, or share one with another address, with the reason.
    """

    series: dict[str, list[ExportedTask]] = field(default_factory=dict)
    unmatched: list[ExportedTask] = field(default_factory=list)
    ambiguous: list[tuple[ExportedTask, str]] = field(default_factory=list)


def match(tasks: Iterable[ExportedTask], series: Iterable[str]) -> Matches:
    """Find the series of each task by the longest common end of path and series key.

    A tie is reported as ambiguous rather than guessed: labels could end up on another recording.
    """
    index = _Index(series)
    matches = Matches()
    chosen: dict[str, dict[str, list[tuple[int, ExportedTask]]]] = defaultdict(lambda: defaultdict(list))
    for task in tasks:
        best, score = index.best(task.address)
        if len(best) == 1:
            chosen[best[0]][task.address].append((score, task))
        elif best:
            matches.ambiguous.append((task, f"it may be of any of {', '.join(map(repr, best[:3]))}"))
        else:
            matches.unmatched.append(task)
    for key, by_address in sorted(chosen.items()):
        most = max(score for address_tasks in by_address.values() for score, _ in address_tasks)
        winners = [address for address, address_tasks in by_address.items() if address_tasks[0][0] == most]
        for address, address_tasks in by_address.items():
            if winners == [address]:
                matches.series.setdefault(key, []).extend(task for _, task in address_tasks)
            else:
                others = len(by_address) - 1
                why = f"{others} other address(es) of this export end in the name of {key!r} too"
                matches.ambiguous += [(task, why) for _, task in address_tasks]
    return matches


class _Index:
    """Series keys by possible names of their files."""

    def __init__(self, series: Iterable[str]) -> None:
        self.plain: Mapping[str, set[str]] = defaultdict(set)
        self.rewritten: Mapping[str, set[str]] = defaultdict(set)
        for key in series:
            name = key.rpartition("/")[2]
            self.plain[_normalized(name)].add(key)
            for form in ("NFC", "NFD"):
                self.rewritten[django_name(f"{unicodedata.normalize(form, name)}.csv")].add(key)

    def best(self, address: str) -> tuple[list[str], int]:
        """The series that match an address best, and their score (`_score`)."""
        path = path_of(address)
        candidates = set(self.plain.get(_normalized(_stem(path)), ()))
        uploaded = UPLOADED.match(path.rpartition("/")[2]) if UPLOAD in path else None
        if uploaded:
            return sorted(self._uploaded(path, uploaded.end())), 1
        if not candidates and UPLOADED.match(_stem(path)):
            candidates = set(self.plain.get(_normalized(UPLOADED.sub("", _stem(path), count=1)), ()))
        scores = {key: _score(path, key) for key in candidates}
        most = max(scores.values(), default=0)
        return sorted(key for key, score in scores.items() if score == most), most

    def _uploaded(self, path: str, start: int) -> set[str]:
        name = path.rpartition("/")[2][start:]
        plain = self.plain.get(_normalized(_stem(name)), set())
        series = plain or self.rewritten.get(name, set())
        stem = _stem(name)
        if series or len(path.removeprefix("/data/")) < LONGEST_PATH or not CUT.fullmatch(stem[-8:]):
            return series
        return {key for other, keys in self.rewritten.items() if other.startswith(stem[:-8]) for key in keys}


def django_name(name: str) -> str:
    """The name that Label Studio gives to an uploaded file."""
    return NOT_IN_NAMES.sub("", name.strip().replace(" ", "_"))


def _stem(path: str) -> str:
    name = path.rpartition("/")[2]
    return name[:-4] if name.lower().endswith(".csv") else name.rpartition(".")[0] or name


def _normalized(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _score(path: str, key: str) -> int:
    """Twice the number of path components in common, from the end, plus 1 where the whole key matches."""
    path_folders = [_normalized(part) for part in path.split("/")[:-1]]
    key_folders = [_normalized(part) for part in key.split("/")[:-1]]
    count = 1
    while path_folders and key_folders and path_folders[-1] == key_folders[-1]:
        path_folders.pop(), key_folders.pop()
        count += 1
    return 2 * count + (not key_folders)
