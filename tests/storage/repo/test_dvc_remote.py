"""The DVC remote in `.dvc/config.local`: every secret comes back as it was, and what others wrote there stays."""

from __future__ import annotations

import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc.config import Config
from dvc.repo import Repo

from pipelines import services
from storage import process, settings
from storage.errors import ConflictError, InputError, LabeltrailError
from storage.project import Project
from storage.repo import dvc_remote
from storage.repo.repository import Repository
from storage.settings import MINIO, Settings
from tests.conftest import CHECKOUT
from tests.support.history_project import ONE, Past

ODD = [
    "a#b1234567",
    "a,b1234567",
    "a %(x 1234567",
    " blanks ",
    "'a\"b'#,1234",
    '"quoted" 12',
    "=[x]1234567",
    "ü€123456",
]
REFERENCE = "a%(b)s1234567"


def read(root: Path) -> dict[str, str]:
    """The remote as DVC reads it."""
    found: dict[str, str] = Config(str(root / ".dvc")).read("local")["remote"]["bucket"]
    return found


def write(root: Path, secret: str, **options: str) -> bool:
    given = {"url": "s3://team/dvc", "access_key_id": "me", "secret_access_key": secret, **options}
    return dvc_remote.configure(root, "bucket", given, {"read_timeout": "20"})


@pytest.mark.parametrize("secret", ODD)
def test_dvc_reads_the_secret_that_was_meant(tmp_path: Path, secret: str) -> None:
    assert write(tmp_path, secret)
    assert read(tmp_path)["secret_access_key"] == secret
    assert read(tmp_path)["access_key_id"] == "me"
    assert stat.S_IMODE((tmp_path / ".dvc/config.local").stat().st_mode) == 0o600
    assert not write(tmp_path, secret), "the second time changes nothing"


def test_what_others_wrote_stays(tmp_path: Path) -> None:
    path = tmp_path / ".dvc/config.local"
    path.parent.mkdir()
    path.write_text(
        "# ours\n[cache]\n    type = symlink    # no copies\n['remote \"backup\"']\n    url = /backup\n"
        "['remote \"bucket\"']\n    url = s3://old/dvc\n    jobs = 8\n    read_timeout = 90\n    session_token = t\n"
    )
    path.chmod(0o644)
    assert write(tmp_path, "a#b", session_token="")
    assert path.read_text() == (
        "# ours\n[cache]\n    type = symlink    # no copies\n['remote \"backup\"']\n    url = /backup\n"
        "['remote \"bucket\"']\n    url = s3://team/dvc\n    jobs = 8\n    read_timeout = 90\n"
        '    access_key_id = me\n    secret_access_key = "a#b"\n'
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_old_file_whose_secret_was_not_quoted_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / ".dvc/config.local"
    path.parent.mkdir()
    path.write_text('[\'remote "bucket"\']\n    url = s3://team/dvc\n    secret_access_key = "abc\n')
    assert write(tmp_path, '"abc')
    assert read(tmp_path)["secret_access_key"] == '"abc'


def test_a_damaged_file_of_others_is_refused_without_its_words(tmp_path: Path) -> None:
    path = tmp_path / ".dvc/config.local"
    path.parent.mkdir()
    text = '[cache]\n    type = symlink\n[\'remote "bucket"\']\n    secret_access_key = "hidden\n'
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        write(tmp_path, "abc")
    assert str(caught.value) == (
        "DVC's settings of this clone cannot be read\n"
        f"  where: {path}, line 4\n"
        "  why: it is neither a section nor an option\n"
        "  next: mend the line or delete .dvc/config.local; then labeltrail up"
    )
    assert path.read_text() == text


def test_what_no_file_of_dvcs_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the DVC remote 'bucket' cannot be written down"):
        write(tmp_path, " %(b)s")
    assert not (tmp_path / ".dvc/config.local").exists()


@pytest.fixture(params=[REFERENCE, "a #b,'c\"d 1"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    """A clone with a MinIO of its own that has a secret in which DVC's config finds something else."""
    root = tmp_path / "clone"
    root.mkdir()
    Repo.init(str(root), no_scm=True).close()
    settings.write_env_file(
        root,
        {
            "AWS_SECRET_ACCESS_KEY": request.param,
            "LABEL_STUDIO_URL": "http://127.0.0.1:9",
            "LABEL_STUDIO_API_KEY": "x",
        },
    )
    services.up(root, only=[MINIO])
    assert settings.load(root).secret_access_key.get_secret_value() == request.param
    yield Project(root)
    services.down(root)


def test_plain_dvc_gets_in_with_an_odd_secret(project: Project) -> None:
    project.configure_remote()
    (project.root / "x").write_text("x")
    for _ in range(2):
        with Repo(str(project.root)) as repo:
            repo.add(str(project.root / "x"))
            repo.push(remote="bucket")
    assert [o.key for o in project.bucket.objects("dvc/")] == [
        "dvc/files/md5/9d/d4e461268c8034f5c8564e155c67a6"
    ]
    secret = project.settings.secret_access_key.get_secret_value()
    beside = project.root / dvc_remote.CREDENTIALS
    assert beside.exists() == (secret == REFERENCE)
    settings.write_env_file(project.root, {"AWS_SECRET_ACCESS_KEY": "as always"})
    services.up(project.root, only=[MINIO])
    Project(project.root).configure_remote()
    assert not beside.exists()
    assert "profile" not in read(project.root)


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A clone on a machine that knows no keys, before `labeltrail up`."""
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    process.run(["git", "clone", "--quiet", CHECKOUT, tmp_path / "fresh"])
    return Repository(tmp_path / "fresh")


def refused(repository: Repository) -> LabeltrailError:
    """The error of asking for an object that the cache lacks, whichever way it is asked for."""
    facts = set()
    for ask in (
        lambda: repository.read(["0" * 32]),
        lambda: repository.has("0" * 32),
        lambda: repository.unavailable({"data/best": "0" * 32}),
        lambda: repository.checkout_outputs({"data/best": "0" * 32}),
    ):
        with pytest.raises(LabeltrailError) as caught:
            ask()
        facts.add((caught.value.exit_code, caught.value.why.split(":")[0], caught.value.cure))
    assert len(facts) == 1
    return caught.value


def test_a_clone_that_knows_no_address_asks_nobody(fresh: Repository) -> None:
    error = refused(fresh)
    assert error.exit_code == 3
    assert str(error) == (
        "this clone does not know yet where its DVC remote 'bucket' is\n"
        f"  where: {fresh.root}\n"
        "  why: .dvc/config.local names no address, and neither does the environment\n"
        "  next: labeltrail up; where the labels are on a server of your team, write its address and keys into .env "
        "first, as .env.sample shows"
    )
    with pytest.raises(InputError, match="does not know yet where"):
        fresh.push()


def test_an_address_without_keys(fresh: Repository, minio: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", minio.s3_endpoint)
    error = refused(fresh)
    assert (error.exit_code, error.why) == (3, "this clone has no keys for its DVC remote yet")
    assert error.cure.startswith("labeltrail up; ")


def test_wrong_keys_and_a_server_that_is_away(fresh: Repository, minio: Settings) -> None:
    keys = {"access_key_id": minio.access_key_id, "secret_access_key": "wrong", "region": "us-east-1"}
    fresh.configure("s3://labels/dvc", {"endpointurl": minio.s3_endpoint, **keys}, {})
    error = refused(fresh)
    assert (error.exit_code, error.cure) == (4, "labeltrail doctor")
    assert "PermissionError" in error.why
    fresh.configure("s3://labels/dvc", {"endpointurl": "http://127.0.0.1:9"}, {})
    began = time.monotonic()
    error = refused(fresh)
    assert str(error) == (
        "the S3 server at http://127.0.0.1:9 does not answer\n"
        "  where: DVC remote 'bucket'\n"
        "  why: no response within 4 s, or the connection broke\n"
        "  next: labeltrail up (or check AWS_ENDPOINT_URL), then the same command again"
    )
    assert error.exit_code == 4
    assert time.monotonic() - began < 5, "DVC would have tried for longer, four times"


def test_a_damaged_config_is_named(fresh: Repository) -> None:
    (fresh.root / ".dvc/config.local").write_text("[remote\n")
    error = refused(fresh)
    assert (error.exit_code, error.where) == (3, ".dvc/config.local")
    assert error.cure == "mend .dvc/config.local, or delete it and labeltrail up"


HOLD = """
import sys
from dvc.repo import Repo
with Repo(sys.argv[1]).lock:
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_dvc_at_work_is_waited_for_and_then_said(tmp_path: Path) -> None:
    past = Past(tmp_path / "clone")
    (past.root / ".dvc").mkdir(exist_ok=True)
    (past.root / ".dvc/config").write_text("")
    past.label([ONE])
    words = [sys.executable, "-c", HOLD, past.root]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        for work in (
            lambda: past.repository.checkout("data/labels"),
            lambda: past.repository.add("data/labels"),
        ):
            with pytest.raises(ConflictError) as caught:
                work()
            assert str(caught.value) == (
                "another DVC is at work in this clone\n"
                f"  where: {past.root}/.dvc/tmp/lock\n"
                "  why: it did not end within some seconds\n"
                "  next: wait until it has ended (dvc repro, dvc pull), then the same command again: nothing is lost"
            )
        other.communicate()
    past.repository.checkout("data/labels")
