"""Settings: addresses and credentials, from the environment and the project's `.env`.

The environment has precedence over `.env`, except that an address and its credentials come from the same place. So
keys of a cloud account in the shell are not sent to this clone's MinIO, nor this clone's keys to a cloud.

A server is *external* when its address was given in the environment or written into `.env` by hand: it is used, but
never started or stopped. A server of this clone has its port in `.env`, too (`LABELTRAIL_MINIO_PORT`,
`LABELTRAIL_LABEL_STUDIO_PORT`), which agrees with its address.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from storage.errors import InputError
from storage.files import read_text, write_bytes
from storage.network.addresses import Address, BucketName, S3Address, address, s3_address
from storage.network.loopback import no_proxy
from storage.progress import note
from storage.text.json_text import whole_number

ENV_FILE = ".env"
ENV_HEADER = "# Addresses and credentials of this clone, kept by `labeltrail up`. Never commit this file."
HOST = "127.0.0.1"
PLAIN = re.compile(r"[A-Za-z0-9_.:/@%+,=-]*")  # values that need no quotes in `.env`
# The variables of the shell that servers get: others may be secrets, or affect Label Studio and MinIO.
BASE = (
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ", "SSL_CERT_FILE",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy",
)  # fmt: skip


@dataclass(frozen=True)
class Service:
    """A server of a project: the variables with its address and credentials."""

    name: str
    title: str
    url: str
    port: str
    credentials: tuple[str, ...]
    health: str  # path that responds 200 when the server is ready


MINIO = Service(
    "minio", "MinIO", "AWS_ENDPOINT_URL", "LABELTRAIL_MINIO_PORT",
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "/minio/health/live",
)  # fmt: skip
LABEL_STUDIO = Service(
    "label-studio", "Label Studio", "LABEL_STUDIO_URL", "LABELTRAIL_LABEL_STUDIO_PORT",
    ("LABEL_STUDIO_API_KEY", "LABEL_STUDIO_USERNAME", "LABEL_STUDIO_PASSWORD"), "/health",
)  # fmt: skip
SERVICES = (MINIO, LABEL_STUDIO)


class Settings(BaseModel):
    """Addresses and credentials of bucket and Label Studio. Settings never change results; params do."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    s3_endpoint: S3Address = Field(alias="AWS_ENDPOINT_URL")
    access_key_id: str = Field(alias="AWS_ACCESS_KEY_ID", min_length=1)
    secret_access_key: SecretStr = Field(alias="AWS_SECRET_ACCESS_KEY", min_length=1)
    region: str = Field("us-east-1", alias="AWS_REGION", pattern=r"^[A-Za-z0-9-]+$")
    bucket: BucketName = Field("labeltrail", alias="LABELTRAIL_BUCKET")
    label_studio_url: Address = Field(alias="LABEL_STUDIO_URL")
    label_studio_api_key: SecretStr = Field(alias="LABEL_STUDIO_API_KEY", min_length=1)
    label_studio_username: str = Field("", alias="LABEL_STUDIO_USERNAME")
    label_studio_password: SecretStr = Field(SecretStr(""), alias="LABEL_STUDIO_PASSWORD")


class Workers(BaseModel):
    """Number of training processes, and the address of their Ray cluster; "" for this machine."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    count: int = Field(1, alias="LABELTRAIL_WORKERS", ge=1)
    ray_address: str = Field("", alias="LABELTRAIL_RAY_ADDRESS")


def load(root: Path) -> Settings:
    """The settings of the project at `root`.

    Raises:
        InputError: addresses or credentials are missing or invalid; names all of them.
    """
    try:
        return Settings.model_validate(variables(root))
    except ValidationError as error:
        # Values are not quoted: one may be a secret.
        faults = error.errors(include_input=False)
        external = [service for service in SERVICES if is_external(root, service)]
        by_hand = {name for service in external for name in (service.url, *service.credentials)}
        named = any(fault["type"] != "missing" or fault["loc"][0] in by_hand for fault in faults)
        what = "the settings of this project are not complete"
        why = "; ".join(f"{fault['loc'][0]}: {_reason(fault['msg'])}" for fault in faults)
        cure = "set them where the address is set, as in .env.sample" if named else "labeltrail up"
        raise InputError(what, where=f"environment and {root / ENV_FILE}", why=why, cure=cure) from None


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ") if message.startswith("Value error, ") else message.lower()


def check_address(service: Service, url: str) -> None:
    """Validate the address of a server.

    Raises:
        InputError: it is invalid; with the reason, without the address.
    """
    try:
        (s3_address if service is MINIO else address)(url)
    except ValueError as error:
        cure = f"mend {service.url} in the environment or in {ENV_FILE}, as in .env.sample"
        raise InputError(f"{service.url} is not an address", why=str(error), cure=cure) from None


def variables(root: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of environment and `.env`, merged; empty ones count as not set."""
    shell = {key: value for key, value in (os.environ if environ is None else environ).items() if value}
    file = read_env_file(root)
    merged = {**file, **shell}
    for service in SERVICES:
        if service.url in shell:
            winner, other = shell, file
        elif service.url in file:
            winner, other = file, shell
        else:
            continue
        # The other place may add credentials only if they are not for another address.
        same = other.get(service.url, winner[service.url]) == winner[service.url]
        for name in service.credentials:
            value = winner.get(name) or (other.get(name) if same else None)
            merged.pop(name, None)
            merged |= {name: value} if value else {}
    merged.setdefault("AWS_REGION", merged.get("AWS_DEFAULT_REGION", "us-east-1"))
    return merged


def is_external(root: Path, service: Service) -> bool:
    """Whether this server is external, so that it is neither started nor stopped."""
    url = variables(root).get(service.url)
    return url is not None and url.rstrip("/") != own_url(root, service)


def own_port(root: Path, service: Service) -> int | None:
    """The port in `.env` of a server of this clone."""
    return whole_number(read_env_file(root).get(service.port, ""))


def own_url(root: Path, service: Service) -> str | None:
    """The address of a server of this clone, once it has a port."""
    port = own_port(root, service)
    return None if port is None else f"http://{HOST}:{port}"


def adopt(root: Path, service: Service, port: int, credentials: Mapping[str, str]) -> None:
    """Write port, address and credentials of a server of this clone to `.env`; existing credentials are kept."""
    known = read_env_file(root)
    fresh = {name: value for name, value in credentials.items() if not known.get(name)}
    wanted = {service.url: f"http://{HOST}:{port}", service.port: str(port), **fresh}
    if any(known.get(name) != value for name, value in wanted.items()):
        write_env_file(root, wanted)


def generated(service: Service, username: str) -> dict[str, str]:
    """New credentials for a server of this clone."""
    values: tuple[str, ...]
    if service is MINIO:
        values = ("labeltrail-" + secrets.token_hex(4), secrets.token_hex(20))
    else:
        values = (secrets.token_hex(20), username, secrets.token_hex(10))
    return dict(zip(service.credentials, values, strict=True))


def environment(settings: Settings) -> dict[str, str]:
    """The environment of a child process (git, dvc), with the project's settings."""
    return {
        **os.environ,
        **no_proxy(),
        "AWS_ENDPOINT_URL": settings.s3_endpoint,
        "AWS_ACCESS_KEY_ID": settings.access_key_id,
        "AWS_SECRET_ACCESS_KEY": settings.secret_access_key.get_secret_value(),
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
        "LABELTRAIL_BUCKET": settings.bucket,
        "LABEL_STUDIO_URL": settings.label_studio_url,
        "LABEL_STUDIO_API_KEY": settings.label_studio_api_key.get_secret_value(),
    }


def from_environment(*names: str) -> str:
    """The first of these variables that is set; "" where none is."""
    return next((value for name in names if (value := os.environ.get(name))), "")


def build_environment(**extra: str) -> dict[str, str]:
    """The environment of a program that builds or installs, with the shell's proxies and mirrors."""
    return {**os.environ, **no_proxy(), **extra}


def go_environment(**extra: str) -> dict[str, str]:
    """The same for Go, without variables of the shell and `go env -w` that affect the build."""
    shell = {k: v for k, v in os.environ.items() if not k.startswith(("GO", "CGO_"))}
    ours = {"GOENV": "off", "GOWORK": "off", "GOSUMDB": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    return {**shell, **no_proxy(), **ours, **extra}


def stage_environment() -> dict[str, str]:
    """The environment of `dvc repro`, with this Python's programs first on the PATH."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, **no_proxy(), "PATH": path}


def experiment() -> str:
    """Name of the DVC experiment (`dvc exp run`) that this stage runs in; "" where it runs in none."""
    return os.environ.get("DVC_EXP_NAME", "") or ("unnamed" if "DVC_EXP_BASELINE_REV" in os.environ else "")


def make_cublas_deterministic() -> None:
    """Make cuBLAS deterministic; torch requires it to be set before CUDA starts."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def bind_gloo_to_loopback() -> None:
    """Bind the processes of a distributed training to loopback, for gloo by the interface's name."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")


def isolate_ray() -> None:
    """Turn off Ray's usage reports, and its restart of workers under `uv run`."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")


def workers() -> Workers:
    """The training workers, from the environment alone: models are trained outside of projects, too.

    Raises:
        InputError: the number is invalid.
    """
    try:
        return Workers.model_validate({name: value for name, value in os.environ.items() if value})
    except ValidationError as error:
        why = error.errors()[0]["msg"].lower()
        cure = "the number of processes that train one model, 1 or more"
        what = "the workers cannot be counted"
        raise InputError(what, where="LABELTRAIL_WORKERS", why=why, cure=cure) from None


def server_environment(**extra: str) -> dict[str, str]:
    """The environment of a server of this clone: `BASE` and its own variables."""
    return {**{name: os.environ[name] for name in BASE if name in os.environ}, **no_proxy(), **extra}


def cache_folder() -> Path:
    """The cache folder that all projects of this user share: `LABELTRAIL_CACHE`, else in the XDG cache."""
    if folder := os.environ.get("LABELTRAIL_CACHE"):
        return Path(folder).expanduser().absolute()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "labeltrail"


def read_env_file(root: Path) -> dict[str, str]:
    """The variables in `.env`; a mode that lets others read it is changed to 600, with a note."""
    path = root / ENV_FILE
    if not path.exists():
        return {}
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        path.chmod(0o600)
        note(f"{path} could be read by others (mode {mode:o}); its mode is 600 now")
    text = _env_text(path)
    values = dotenv_values(stream=StringIO(text), interpolate=False)
    return {key: value for key, value in values.items() if value}


def _env_text(path: Path) -> str:
    return read_text(path, f"write {path} in UTF-8, then the same command again")


def write_env_file(root: Path, values: Mapping[str, str]) -> None:
    """Set variables in `.env`, with mode 600; other lines stay."""
    path = root / ENV_FILE
    text = _env_text(path) if path.exists() else ENV_HEADER
    lines = text.removesuffix("\n").split("\n")
    left = dict(values)
    for i, line in enumerate(lines):
        name = line.removeprefix("export ").partition("=")[0].strip()
        if name in left:
            lines[i] = f"{name}={_quoted(left.pop(name))}"
    lines += [f"{name}={_quoted(value)}" for name, value in left.items()]
    write_bytes(path, ("\n".join(lines) + "\n").encode(), mode=0o600, durable=True)


def _quoted(value: str) -> str:
    """A value as `.env` holds it; without `'` and `\\` in it a shell and Docker Compose read the same."""
    if PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
