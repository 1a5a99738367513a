"""Fuzz targets: git's history, its branches, and the files that git merges with our drivers, by a real git."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import strategies as st

from pipelines.branches import registry
from pipelines.history.log import log
from storage import process
from storage.errors import LabeltrailError
from storage.labels import git_drivers, label_changes
from storage.labels.label_changes import LabelChanges
from storage.labels.three_way import Settlement
from storage.printable import UNSAFE
from storage.project_files import splits_file, tasks_file
from storage.repo.git import prefix_of
from storage.s3.keys import CONTROL
from tests.support.fuzzing import REFUSED, TAKEN, Fuzz, refused
from tests.support.history_project import Past
from tests.support.hostile import dumped, json_bytes, patched_text, texts


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    return Past(tmp_path_factory.mktemp("fuzz") / "past")


def test_branch_names(fuzz: Fuzz, past: Past) -> None:
    """A name that is taken is a branch that git and its lists know by it, with a place of its own."""
    git, other = past.repository.git, "a/b"
    past.git("branch", other)

    def check(name: str) -> str:
        if name in registry.names(git):
            return REFUSED
        try:
            registry.check_name(git, name)
        except LabeltrailError as error:
            return refused(error)
        past.git("branch", name)
        try:
            assert registry.names(git)[name] == git.head()
            assert registry.require(git, name) == git.resolve(name)
            assert name not in git.tags()
            assert prefix_of(name) != prefix_of(other)
            assert not {"", ".", ".."} & set(prefix_of(name).split("/"))
            assert not CONTROL.search(name)
            assert not UNSAFE.search(name)
            past.git("switch", "--quiet", name)
            assert git.branch() == name
        finally:
            past.git("switch", "--quiet", "main")
            past.git("branch", "-D", name)
        return TAKEN

    plain = st.sampled_from(
        ["idea", "a--b", "A/B", "x.lock", "series", "dvc", "ünï", "a b", "deadbeef", "refs/x", "-x", "main"]
    )
    part = texts.filter(lambda t: "\0" not in t and "\ud800" not in t)
    sound = st.text("abcXYZ019-_./@{}~^:\\ ü🏃", min_size=1, max_size=6)
    fuzz(
        st.one_of(plain, part, sound, sound, st.tuples(sound, sound).map("/".join)), check, few=25, share=0.1
    )


def test_messages_of_label_commits(fuzz: Fuzz) -> None:
    """Labels and people of any name make one line each; no line is forged, none begins as git's comments do."""

    def check(counts: tuple[dict[str, int], dict[str, int]]) -> str:
        labels, people = ({name: Counter({"+": n}) for name, n in found.items()} for found in counts)
        changes = LabelChanges(Counter({"+": 1}), labels, people, Counter({"+": 1}))  # type: ignore[arg-type]
        lines = label_changes.message(changes, Counter(), []).removesuffix("\n").split("\n")
        assert len(lines) == 3 + len(labels) + len(people)
        assert [line.partition(": ")[0] for line in lines[3:]] == ["Label"] * len(labels) + [
            "Annotator"
        ] * len(people)
        assert not [line for line in lines if UNSAFE.search(line)]
        return TAKEN if labels or people else REFUSED

    names = st.dictionaries(st.one_of(texts, st.text(max_size=5)), st.integers(1, 9), max_size=3)
    fuzz(st.tuples(names, names), check)


@pytest.mark.usefixtures("past")
def test_logs(fuzz: Fuzz, tmp_path: Path) -> None:
    """Commits with any message, author, tag and pointer that git takes: all are read, each in its place."""
    past = Past(tmp_path / "log")
    root = past.git("rev-parse", "HEAD").strip()
    commit = st.tuples(
        st.one_of(texts, st.just("labels: +1\n\nLabel: a\x1eb +1")), texts, st.sampled_from([0, 1, 2, 3])
    )

    def check(commits: list[tuple[str, str, int]]) -> str:
        stream, wanted = [b"reset refs/heads/main\nfrom %s\n\n" % root.encode()], []
        for number, (message, author, kind) in enumerate(commits):
            body = message.replace("\0", "").encode("utf-8", "surrogatepass")
            name = author.translate(dict.fromkeys(map(ord, "<>\n\0"))).encode("utf-8", "surrogatepass")
            md5 = [f"{number:032x}.dir", f"{number:032x}.dir", "../../x", "\nouts: [*]"][kind].encode()
            pointer = b"outs:\n- md5: %s\n  size: 1\n  nfiles: 1\n  hash: md5\n  path: labels\n" % md5
            stream += [
                b"commit refs/heads/main\nauthor %s <a@b> %d +0000\n" % (name, 2 * 10**9 + number),
                b"committer %s <a@b> %d +0000\n" % (name, 2 * 10**9 + number),
                b"data %d\n%s\n" % (len(body), body),
                b"M 100644 inline data/labels.dvc\ndata %d\n%s\n\n" % (len(pointer), pointer),
            ]
            wanted.append("" if kind > 1 else md5.decode())
        process.output(["git", "fast-import", "--quiet", "--force"], cwd=past.root, stdin=b"".join(stream))
        found = list(past.repository.git.label_commits())
        kept = [md5 for before, md5 in zip(["", *wanted], wanted, strict=False) if md5 != before]
        assert [commit.labels for commit in reversed(found)] == kept
        for entry in log(past.repository):
            assert entry.counts is None, "no such snapshot is anywhere"
            assert entry.unknown
        return TAKEN if found else REFUSED

    fuzz(st.lists(commit, max_size=5), check, few=8, share=0.05)


def test_merges_of_tasks_and_splits(fuzz: Fuzz, past: Past) -> None:
    """Three texts of a file that git merges: one that all readers read, or a conflict; never half a file."""
    line = dumped({"data": {"subject": "a\u2028b"}, "series": "one"}).decode()
    table = "series,group,split\none,ann,train\ntwo,ben,test\n"

    def check(example: tuple[str, tuple[str, str, str], str]) -> str:
        path, texts, side = example
        try:
            found = git_drivers.merge(past.repository, path, texts, Settlement(side))
            if found.open:
                return REFUSED
            (splits_file if path.endswith(".csv") else tasks_file).parse(found.text, path)
        except LabeltrailError as error:
            return refused(error)
        return TAKEN

    text = json_bytes(json.loads(line)).map(
        lambda data: data.decode("utf-8", "replace").replace("\n", " ") + "\n"
    )
    jsonl = st.lists(st.one_of(st.just(f"{line}\n"), text), max_size=3).map("".join)
    rows = st.one_of(st.just(table), patched_text(table))
    side = st.sampled_from(["", "ours", "theirs"])
    fuzz(
        st.one_of(
            st.tuples(st.just("data/tasks.jsonl"), st.tuples(jsonl, jsonl, jsonl), side),
            st.tuples(st.just("data/splits.csv"), st.tuples(rows, rows, rows), side),
        ),
        check,
    )
