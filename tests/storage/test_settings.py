"""Where settings come from, what goes with what, and what never shows."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from storage import settings
from storage.errors import InputError
from storage.servers import supervisor
from storage.settings import LABEL_STUDIO, MINIO

OURS = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:20001",
    "LABELTRAIL_MINIO_PORT": "20001",
    "AWS_ACCESS_KEY_ID": "ours",
    "AWS_SECRET_ACCESS_KEY": "our-secret-key",
    "LABEL_STUDIO_URL": "http://127.0.0.1:20002",
    "LABELTRAIL_LABEL_STUDIO_PORT": "20002",
    "LABEL_STUDIO_API_KEY": "our-token-our-token",
    "LABEL_STUDIO_PASSWORD": "our-password",
}


def test_what_is_missing_is_named_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        settings.load(tmp_path)
    assert str(caught.value) == (
        "the settings of this project are not complete\n"
        f"  where: environment and {tmp_path}/.env\n"
        "  why: AWS_ENDPOINT_URL: field required; AWS_ACCESS_KEY_ID: field required; "
        "AWS_SECRET_ACCESS_KEY: field required; LABEL_STUDIO_URL: field required; "
        "LABEL_STUDIO_API_KEY: field required\n"
        "  next: labeltrail up"
    )


@pytest.mark.parametrize("port", ["", "x", "-1", "1.5", "٣", "9" * 5000])
def test_a_port_that_is_no_number_counts_as_none(tmp_path: Path, port: str) -> None:
    (tmp_path / ".env").write_text(f"LABELTRAIL_MINIO_PORT={port}\n")
    assert settings.own_port(tmp_path, MINIO) is None


def test_an_address_given_by_hand_needs_its_credentials_by_hand(tmp_path: Path) -> None:
    settings.write_env_file(tmp_path, OURS | {"AWS_ENDPOINT_URL": "minio:9000", "AWS_ACCESS_KEY_ID": ""})
    with pytest.raises(InputError) as caught:
        settings.load(tmp_path)
    assert str(caught.value) == (
        "the settings of this project are not complete\n"
        f"  where: environment and {tmp_path}/.env\n"
        "  why: AWS_ENDPOINT_URL: it must begin with http:// or https://; "
        "AWS_ACCESS_KEY_ID: field required\n"
        "  next: set them where the address is set, as in .env.sample"
    )


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (
            "http://127.0.0.1:9000/team",
            "there is a path in it: name the server alone, as in http://host:9000",
        ),
        ("http://host:9000?x=1", "it must end with the host, the port or a path"),
        ("http://me:secret@host", "there is a name or password in it: those have variables of their own"),
        ("http://ho st", "there is a blank in it, or a character that nobody sees"),
        ("http://host:99999", "its host or port cannot be read"),
        ("http://host:nine", "its host or port cannot be read"),
        ("http://[::1", "its host or port cannot be read"),
        ("http://:9000", "its host or port cannot be read"),
    ],
)
def test_what_is_no_address_of_an_s3_server(tmp_path: Path, url: str, why: str) -> None:
    settings.write_env_file(tmp_path, OURS | {"AWS_ENDPOINT_URL": url})
    with pytest.raises(InputError) as caught:
        settings.load(tmp_path)
    assert caught.value.why == f"AWS_ENDPOINT_URL: {why}"
    assert caught.value.cure == "set them where the address is set, as in .env.sample"
    with pytest.raises(InputError, match="AWS_ENDPOINT_URL is not an address") as refused:
        settings.check_address(MINIO, url)
    assert (refused.value.why, "secret" in str(refused.value)) == (why, False)
    assert supervisor.http_status(url + MINIO.health) in (None, 404)


@pytest.mark.parametrize("url", ["http://host/", "https://host", "http://[::1]:9000", "http://host_1:1"])
def test_addresses_of_s3_servers(tmp_path: Path, url: str) -> None:
    settings.write_env_file(tmp_path, OURS | {"AWS_ENDPOINT_URL": url})
    assert settings.load(tmp_path).s3_endpoint == url


def test_label_studio_may_be_below_a_path(tmp_path: Path) -> None:
    settings.write_env_file(tmp_path, OURS | {"LABEL_STUDIO_URL": "https://example.com/labels"})
    assert settings.load(tmp_path).label_studio_url == "https://example.com/labels"


@pytest.mark.parametrize("bucket", ["ab", "team/labels", "team?x", "team labels", "-team", "../team"])
def test_what_is_no_name_of_a_bucket(tmp_path: Path, bucket: str) -> None:
    settings.write_env_file(tmp_path, OURS | {"LABELTRAIL_BUCKET": bucket})
    with pytest.raises(InputError) as caught:
        settings.load(tmp_path)
    assert caught.value.why == "LABELTRAIL_BUCKET: a bucket has 3 to 63 letters, digits, dots and hyphens"


def test_defaults_and_region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.write_env_file(tmp_path, OURS)
    assert (settings.load(tmp_path).region, settings.load(tmp_path).bucket) == ("us-east-1", "labeltrail")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("LABELTRAIL_BUCKET", "team")
    assert (settings.load(tmp_path).region, settings.load(tmp_path).bucket) == ("eu-west-1", "team")


def test_an_empty_variable_counts_as_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.write_env_file(tmp_path, OURS)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "")
    assert settings.load(tmp_path).s3_endpoint == "http://127.0.0.1:20001"


def test_keys_of_a_cloud_account_in_the_shell_are_not_sent_to_our_server(tmp_path: Path) -> None:
    settings.write_env_file(tmp_path, OURS)
    shell = {"AWS_ACCESS_KEY_ID": "cloud", "AWS_SECRET_ACCESS_KEY": "cloud-secret"}
    assert settings.variables(tmp_path, shell)["AWS_ACCESS_KEY_ID"] == "ours"
    assert settings.variables(tmp_path, shell)["AWS_SECRET_ACCESS_KEY"] == "our-secret-key"


def test_our_keys_are_not_sent_to_an_address_in_the_shell(tmp_path: Path) -> None:
    settings.write_env_file(tmp_path, OURS)
    merged = settings.variables(tmp_path, {"AWS_ENDPOINT_URL": "https://s3.example.com"})
    assert merged["AWS_ENDPOINT_URL"] == "https://s3.example.com"
    assert "AWS_ACCESS_KEY_ID" not in merged
    assert "AWS_SECRET_ACCESS_KEY" not in merged
    assert merged["LABEL_STUDIO_API_KEY"] == "our-token-our-token"


def test_an_address_in_the_file_may_have_its_keys_in_the_shell(tmp_path: Path) -> None:
    settings.write_env_file(tmp_path, {"AWS_ENDPOINT_URL": "https://s3.example.com"})
    shell = {"AWS_ACCESS_KEY_ID": "cloud", "AWS_SECRET_ACCESS_KEY": "cloud-secret"}
    assert settings.variables(tmp_path, shell)["AWS_ACCESS_KEY_ID"] == "cloud"


def test_a_server_is_external_when_its_address_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not settings.is_external(tmp_path, MINIO)  # nothing is there yet: ours to start
    settings.write_env_file(tmp_path, OURS)
    assert not settings.is_external(tmp_path, MINIO)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:20001/")
    assert not settings.is_external(tmp_path, MINIO)  # `set -a; . .env` gives nothing new
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    assert settings.is_external(tmp_path, MINIO)
    assert not settings.is_external(tmp_path, LABEL_STUDIO)
    settings.write_env_file(tmp_path, {"LABEL_STUDIO_URL": "https://labels.example.com"})
    assert settings.is_external(tmp_path, LABEL_STUDIO)


def test_writing_keeps_other_lines_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# mine\nexport AWS_REGION=eu-west-1\nAWS_ACCESS_KEY_ID=old\n\nOTHER='a b'\n")
    path.chmod(0o600)
    settings.write_env_file(tmp_path, {"AWS_ACCESS_KEY_ID": "new", "AWS_REGION": "us-west-2", "AWS_X": "1"})
    assert path.read_text() == "# mine\nAWS_REGION=us-west-2\nAWS_ACCESS_KEY_ID=new\n\nOTHER='a b'\nAWS_X=1\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == [".env"]


@pytest.mark.parametrize(
    "value", ["a #b", " a ", "'a", 'a"b', "a\\b", "a'b\\c", "$x `y` $(z)", "ü", "%(x)s", "a=b"]
)
def test_a_secret_of_odd_characters_comes_back_as_it_was(tmp_path: Path, value: str) -> None:
    settings.write_env_file(tmp_path, {"AWS_SECRET_ACCESS_KEY": value, "AWS_REGION": "eu-west-1"})
    assert settings.read_env_file(tmp_path) == {"AWS_SECRET_ACCESS_KEY": value, "AWS_REGION": "eu-west-1"}


def test_a_separator_in_a_comment_ends_no_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# a\u2028AWS_X=no\n", encoding="utf-8")
    settings.write_env_file(tmp_path, {"AWS_X": "1"})
    assert (tmp_path / ".env").read_text(encoding="utf-8") == "# a\u2028AWS_X=no\nAWS_X=1\n"


def test_a_file_that_others_can_read_is_mended_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.write_env_file(tmp_path, OURS)
    (tmp_path / ".env").chmod(0o644)
    settings.load(tmp_path)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert "(mode 644); its mode is 600 now" in capsys.readouterr().err.replace("\n", " ")


def test_adopting_a_server_keeps_credentials_that_are_there(tmp_path: Path) -> None:
    settings.write_env_file(tmp_path, {"AWS_ACCESS_KEY_ID": "kept"})
    settings.adopt(tmp_path, MINIO, 20003, {"AWS_ACCESS_KEY_ID": "new", "AWS_SECRET_ACCESS_KEY": "made"})
    assert settings.read_env_file(tmp_path) == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:20003",
        "LABELTRAIL_MINIO_PORT": "20003",
        "AWS_ACCESS_KEY_ID": "kept",
        "AWS_SECRET_ACCESS_KEY": "made",
    }


def test_no_secret_in_text(tmp_path: Path) -> None:
    settings.write_env_file(tmp_path, OURS)
    loaded = settings.load(tmp_path)
    shown = f"{loaded!r} {loaded} {loaded.model_dump()} {loaded.model_dump_json()}"
    assert not any(
        OURS[name] in shown for name in OURS if "SECRET" in name or ("KEY" in name and "ID" not in name)
    )
    assert "our-password" not in shown


def test_an_error_never_quotes_a_value(tmp_path: Path) -> None:
    settings.write_env_file(tmp_path, OURS | {"LABEL_STUDIO_URL": "our-token-pasted-in-the-wrong-line"})
    with pytest.raises(InputError) as caught:
        settings.load(tmp_path)
    assert "our-token" not in str(caught.value)


def test_child_processes_get_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.write_env_file(tmp_path, OURS)
    monkeypatch.setenv("LABELTRAIL_TEST", "inherited")
    child = settings.environment(settings.load(tmp_path))
    assert child["AWS_SECRET_ACCESS_KEY"] == "our-secret-key"
    assert child["AWS_DEFAULT_REGION"] == child["AWS_REGION"] == "us-east-1"
    assert child["LABELTRAIL_TEST"] == "inherited"
    assert "LABELTRAIL_TEST" not in settings.server_environment()
