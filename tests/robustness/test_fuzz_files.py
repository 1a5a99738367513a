"""Fuzz targets: files of a clone that people, git or another tool may have written otherwise than we do."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from hypothesis import strategies as st

from stages import params
from storage import settings
from storage.errors import LabeltrailError
from storage.label_studio import label_config, label_config_xml
from storage.project_files import params_file, splits_file, tasks_file
from storage.repo.dvc_lock import Lock, outdated
from storage.repo.pointer import parse_pointer, pointer_md5
from storage.s3.keys import OBJECT
from tests.conftest import CHECKOUT
from tests.support.fuzzing import TAKEN, Fuzz, refused
from tests.support.hostile import altered, damaged, json_bytes, patched_text, texts

SAFE = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)  # what UTF-8 can hold


def test_label_configs(fuzz: Fuzz, tmp_path: Path) -> None:
    """Read, and the same again where the recordings were moved out of the task data; or refused."""
    path = tmp_path / "config.xml"

    def check(data: bytes) -> str:
        path.write_bytes(data)
        try:
            found = label_config.load(path)
        except LabeltrailError as error:
            return refused(error, str(path))
        text = data.decode()
        assert found.labels
        assert found.channels
        again = label_config.parse(label_config_xml.by_address(text))
        assert (again.labels, again.channels, again.inline) == (found.labels, found.channels, False)
        return TAKEN

    good = label_config.render(("x", "y"), ("walk", "run"), "time")
    whole = label_config.render(("x",), ("yes", "no"), None, task="multilabel")
    text = st.one_of(
        patched_text(good), patched_text(whole), patched_text("<!DOCTYPE a [<!ENTITY x 'y'>]>" + good)
    )
    tree = st.sampled_from([b"<View>" * 3000, b"<View>" * 3000 + good.encode() + b"</View>" * 3000])
    names = st.lists(st.one_of(texts, SAFE), min_size=1, max_size=3)
    made = st.tuples(names, names).map(lambda two: label_config.render(tuple(two[0]), tuple(two[1]), "time"))
    encoded = st.one_of(text, made).map(lambda t: t.encode("utf-8", "surrogatepass"))
    fuzz(st.one_of(encoded, encoded, damaged(good.encode()), tree, st.just(good.encode("utf-16"))), check)


def test_label_configs_of_any_names(fuzz: Fuzz) -> None:
    """Labels and columns of an export come out of the label config made for them as they went in."""

    def check(example: tuple[list[str], list[str]]) -> str:
        channels, labels = (tuple(dict.fromkeys(names)) for names in example)
        try:
            found = label_config.parse(label_config.render(channels, labels, None))
        except LabeltrailError as error:
            return refused(error)
        assert (found.channels, found.labels) == (channels, labels)
        return TAKEN

    names = st.lists(st.one_of(texts, SAFE), min_size=1, max_size=3)
    fuzz(st.tuples(names, names), check)


def test_tasks(fuzz: Fuzz, tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    good = {"data": {"subject": "ann", "more": [1, {"a": None}]}, "series": "one"}

    def check(data: bytes) -> str:
        path.write_bytes(data)
        try:
            found = tasks_file.read(path)
        except LabeltrailError as error:
            return refused(error, str(path))
        lines = data.decode().removesuffix("\n").split("\n") if data else []
        assert len(found) == len(lines), "a line was lost"
        tasks_file.write(found, path)
        assert tasks_file.read(path) == found
        return TAKEN

    line = json_bytes(good).map(lambda data: data.replace(b"\n", b"") + b"\n")
    two = json.dumps(good | {"series": "two"}).encode() + b"\n"
    fuzz(st.lists(st.one_of(line, st.just(two)), max_size=3).map(b"".join), check)


def test_splits(fuzz: Fuzz, tmp_path: Path) -> None:
    path = tmp_path / "splits.csv"

    def check(data: bytes) -> str:
        path.write_bytes(data)
        try:
            found = splits_file.read(path)
        except LabeltrailError as error:
            return refused(error, str(path))
        splits_file.write(found, path)
        assert splits_file.read(path) == found
        return TAKEN

    good = 'series,group,split\none,ann,train\ntwo,ben,test\n"a,b","c""d",unassigned\n'
    text = patched_text(good).map(lambda t: t.encode("utf-8", "surrogatepass"))
    fuzz(
        st.one_of(text, damaged(good.encode()), st.just(b"series,group,split\n" + b'"' + b"a" * 200_000)),
        check,
    )


def test_splits_of_any_names(fuzz: Fuzz, tmp_path: Path) -> None:
    path = tmp_path / "splits.csv"

    def check(rows: dict[str, tuple[str, str]]) -> str:
        wanted = {series: splits_file.Row(*row) for series, row in rows.items()}
        try:
            splits_file.write(wanted, path)
        except LabeltrailError as error:
            return refused(error)
        assert splits_file.read(path) == wanted
        return TAKEN

    name = st.one_of(SAFE, texts.map(lambda t: t.encode("utf-8", "replace").decode()))
    fuzz(st.dictionaries(name, st.tuples(name, st.sampled_from(splits_file.SPLITS)), max_size=4), check)


def test_params(fuzz: Fuzz, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    good = (CHECKOUT / "params.yaml").read_text(encoding="utf-8")
    tree = yaml.safe_load(good)

    def check(data: bytes) -> str:
        path.write_bytes(data)
        try:
            found = params.load(path)
        except LabeltrailError as error:
            return refused(error, str(path))
        assert found.train.epochs >= 1
        return TAKEN

    text = patched_text(good, most=2).map(lambda t: t.encode("utf-8", "surrogatepass"))
    changed = altered(tree, most=2).map(lambda value: json.dumps(value).encode())
    fuzz(st.one_of(text, changed, damaged(good.encode(), most=1)), check)


def test_values_put_into_params(fuzz: Fuzz, tmp_path: Path) -> None:
    """One value is what was put, all others are what they were, and so is every other line; or nothing is changed."""
    path = tmp_path / "params.yaml"
    good = (CHECKOUT / "params.yaml").read_text(encoding="utf-8")
    names = sorted(
        name for name, value in yaml.safe_load(good)["train"].items() if not isinstance(value, dict)
    )

    def check(example: tuple[bytes, str, object]) -> str:
        data, name, value = example
        path.write_bytes(data)
        try:
            before = params.load(path)
        except LabeltrailError as error:
            return refused(error)
        try:
            params_file.put(path, ("train",), {name: value})
        except LabeltrailError as error:
            assert path.read_bytes() == data
            return refused(error, str(path))
        now = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert now["train"][name] == value
        then = yaml.safe_load(data)
        del now["train"][name], then["train"][name]
        assert now == then
        assert before
        return TAKEN

    value = st.one_of(st.booleans(), st.integers(0, 10**6), st.floats(0, 1), st.none(), st.just("a" * 32))
    text = st.one_of(
        st.just(good.encode()), patched_text(good, most=1).map(lambda t: t.encode("utf-8", "surrogatepass"))
    )
    fuzz(st.tuples(text, st.sampled_from(names), value), check, few=40, share=0.2)


LOCK = """schema: '2.0'
stages:
  window:
    cmd: python -m stages.window
    deps:
    - path: data/labels
      hash: md5
      md5: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.dir
      size: 5
    params:
      params.yaml:
        window.size: 0
    outs:
    - path: data/dataset
      hash: md5
      md5: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.dir
"""


def test_dvc_lock(fuzz: Fuzz) -> None:
    stages = yaml.safe_load((CHECKOUT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]

    def check(text: str) -> str:
        try:
            lock = Lock.parse(text)
            found = lock.outputs()
            assert lock.best in (*found.values(), "")
            assert lock.labels is not None
            for name in stages:
                lock.inputs(name)
            outdated(lock, stages, {"window": {"size": 0}}, lambda path: "")
        except LabeltrailError as error:
            return refused(error, "dvc.lock")
        assert all(OBJECT.fullmatch(md5) for md5 in found.values())
        return TAKEN

    changed = altered(yaml.safe_load(LOCK)).map(json.dumps)
    fuzz(st.one_of(patched_text(LOCK), patched_text(LOCK), changed), check)


def test_pointers(fuzz: Fuzz, tmp_path: Path) -> None:
    """What a pointer names is a hash, which becomes a path in the cache; both readers of pointers see the same."""
    path = tmp_path / "labels.dvc"
    good = "outs:\n- md5: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.dir\n  size: 5\n  nfiles: 1\n  hash: md5\n  path: labels\n"

    def check(data: bytes) -> str:
        path.write_bytes(data)
        md5 = parse_pointer(data.decode("utf-8", "replace"))
        assert md5 == "" or OBJECT.fullmatch(md5), md5
        try:
            found = pointer_md5(path)
        except LabeltrailError as error:
            return refused(error, "labels.dvc")
        assert OBJECT.fullmatch(found), found
        return TAKEN

    md5 = st.one_of(texts, st.sampled_from(["../../../x", "a" * 32, "HEAD", "/etc/passwd", "aa"])).map(
        lambda found: good.replace("a" * 32 + ".dir", found)
    )
    text = st.one_of(patched_text(good, most=2), md5).map(lambda t: t.encode("utf-8", "surrogatepass"))
    changed = altered(yaml.safe_load(good)).map(lambda value: json.dumps(value).encode())
    fuzz(st.one_of(text, text, damaged(good.encode()), changed), check)


ENV = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9000", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
    "LABEL_STUDIO_URL": "http://127.0.0.1:8080", "LABEL_STUDIO_API_KEY": "token", "LABELTRAIL_MINIO_PORT": "9000",
}  # fmt: skip


def test_env_files(fuzz: Fuzz, tmp_path: Path) -> None:
    """Read, or refused without a quote of its text: one of the values may be a secret in the wrong place."""
    path = tmp_path / ".env"

    def check(data: bytes) -> str:
        path.write_bytes(data)
        path.chmod(0o600)
        try:
            settings.own_port(tmp_path, settings.MINIO)
            settings.is_external(tmp_path, settings.MINIO)
            found = settings.load(tmp_path)
        except LabeltrailError as error:
            return refused(error)
        assert found.s3_endpoint.startswith("http")
        return TAKEN

    good = "".join(f"{name}={value}\n" for name, value in ENV.items())
    text = patched_text(good).map(lambda t: t.encode("utf-8", "surrogatepass"))
    fuzz(st.one_of(text, damaged(good.encode())), check, few=30)


def test_values_put_into_env_files(fuzz: Fuzz, tmp_path: Path) -> None:
    """A credential comes out of `.env` as it went in, and so do the others."""
    path = tmp_path / ".env"

    def check(values: dict[str, str]) -> str:
        path.unlink(missing_ok=True)
        settings.write_env_file(tmp_path, ENV)
        settings.write_env_file(tmp_path, values)
        wanted = ENV | values
        assert settings.read_env_file(tmp_path) == {name: value for name, value in wanted.items() if value}
        return TAKEN

    names = st.sampled_from([*ENV, "LABEL_STUDIO_PASSWORD"])
    value = st.one_of(texts.map(lambda t: t.encode("utf-8", "replace").decode()), SAFE)
    fuzz(st.dictionaries(names, value, min_size=1, max_size=3), check, few=30, outcomes=frozenset({TAKEN}))
