"""Which recording a task of an export is about: by the end of the address that its data names."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from storage.labels.export import ExportedTask
from storage.labels.export_address import UPLOAD, path_of

# Label Studio puts eight hex digits before the name of an uploaded file, ..
UPLOADED = re.compile(r"[0-9a-f]{8}-")
# .. takes these characters out of it, as Django does, ..
NOT_IN_NAMES = re.compile(r"[^-\w.]")
# .. and cuts it where the whole path would be longer than this, with seven random letters behind.
LONGEST_PATH = 100
CUT = re.compile(r"_[A-Za-z0-9]{7}")


@dataclass
class Matches:
    """What tasks belong to.

    Attributes:
        series: tasks by series key.
        nowhere: tasks without a recording.
        unsure: tasks that may belong to several recordings, or of several one recording, with those.
    """

    series: dict[str, list[ExportedTask]] = field(default_factory=dict)
    nowhere: list[ExportedTask] = field(default_factory=list)
    unsure: list[tuple[ExportedTask, str]] = field(default_factory=list)


def match(tasks: Iterable[ExportedTask], series: Iterable[str]) -> Matches:
    """Find the series of each task; the longest common end of path and series key wins.

    Where that does not decide, nothing is guessed: labels would come to another recording.
    """
    index = _Index(series)
    found = Matches()
    chosen: dict[str, dict[str, list[tuple[int, ExportedTask]]]] = defaultdict(lambda: defaultdict(list))
    for task in tasks:
        best, score = index.best(task.address)
        if len(best) == 1:
            chosen[best[0]][task.address].append((score, task))
        elif best:
            found.unsure.append((task, f"it may be of any of {', '.join(map(repr, best[:3]))}"))
        else:
            found.nowhere.append(task)
    for key, by_address in sorted(chosen.items()):
        most = max(score for some in by_address.values() for score, _ in some)
        winners = [address for address, some in by_address.items() if some[0][0] == most]
        for address, some in by_address.items():
            if winners == [address]:
                found.series.setdefault(key, []).extend(task for _, task in some)
            else:
                others = len(by_address) - 1
                why = f"{others} other address(es) of this export end in the name of {key!r} too"
                found.unsure += [(task, why) for _, task in some]
    return found


class _Index:
    """Series keys by the name that a file of them may have."""

    def __init__(self, series: Iterable[str]) -> None:
        self.plain: Mapping[str, set[str]] = defaultdict(set)
        self.rewritten: Mapping[str, set[str]] = defaultdict(set)
        for key in series:
            name = key.rpartition("/")[2]
            self.plain[_folded(name)].add(key)
            for form in ("NFC", "NFD"):
                self.rewritten[django_name(f"{unicodedata.normalize(form, name)}.csv")].add(key)

    def best(self, address: str) -> tuple[list[str], int]:
        """The series that fit an address best, and how well: parts in common, one more where the key is used up."""
        path = path_of(address)
        candidates = set(self.plain.get(_folded(_stem(path)), ()))
        uploaded = UPLOADED.match(path.rpartition("/")[2]) if UPLOAD in path else None
        if uploaded:
            return sorted(self._uploaded(path, uploaded.end())), 1
        if not candidates and UPLOADED.match(_stem(path)):
            candidates = set(self.plain.get(_folded(UPLOADED.sub("", _stem(path), count=1)), ()))
        scores = {key: _score(path, key) for key in candidates}
        most = max(scores.values(), default=0)
        return sorted(key for key, score in scores.items() if score == most), most

    def _uploaded(self, path: str, start: int) -> set[str]:
        name = path.rpartition("/")[2][start:]
        plain = self.plain.get(_folded(_stem(name)), set())
        found = plain or self.rewritten.get(name, set())
        stem = _stem(name)
        if found or len(path.removeprefix("/data/")) < LONGEST_PATH or not CUT.fullmatch(stem[-8:]):
            return found
        return {key for other, keys in self.rewritten.items() if other.startswith(stem[:-8]) for key in keys}


def django_name(name: str) -> str:
    """What Label Studio makes of the name of a file that is uploaded."""
    return NOT_IN_NAMES.sub("", name.strip().replace(" ", "_"))


def _stem(path: str) -> str:
    name = path.rpartition("/")[2]
    return name[:-4] if name.lower().endswith(".csv") else name.rpartition(".")[0] or name


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _score(path: str, key: str) -> int:
    """How many parts of a path a series key shares with it, from the end; one more where no part is left over."""
    left = [_folded(part) for part in path.split("/")[:-1]]
    right = [_folded(part) for part in key.split("/")[:-1]]
    count = 1
    while left and right and left[-1] == right[-1]:
        left.pop(), right.pop()
        count += 1
    return 2 * count + (not right)
