"""The DVC remote of one clone: its section in `.dvc/config.local`, and the translation of its errors."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

from storage.errors import NO_ROOM, ConflictError, InputError, LabeltrailError, ServiceError
from storage.files import write_bytes

CONFIG = Path(".dvc/config.local")
# For secrets that the syntax of DVC's config cannot represent; git ignores both files.
CREDENTIALS = Path(".labeltrail/dvc-credentials")
REMOTE = "bucket"  # its name
PROFILE = "labeltrail"
SECRETS = ("access_key_id", "secret_access_key", "session_token")
REMOTE_ONLY = re.compile(r"\s*\['remote \"[^\"]*\"'\][^\[]*")
PROBE_TIMEOUT_S = 4.0  # to the first byte of a response
TRANSFER_ALLOWANCE_S = 30.0  # for an object, beyond its bytes at MIN_BYTES_PER_S
TRANSFER_TIMEOUT_S = 3600.0  # for one object
RECHECK_AFTER_S = 10.0  # until an unreachable server is probed again
WAIT = "wait until it has ended (dvc repro, dvc pull), then the same command again: nothing is lost"
SET_UP = (
    "labeltrail up; where the labels are on a server of your team, write its address and keys into .env first, "
    "as .env.sample shows"
)


# -- .dvc/config.local ----------------------------------------------------------------------------


def configure(root: Path, remote: str, options: Mapping[str, str], defaults: Mapping[str, str]) -> bool:
    """Write options of a remote into `.dvc/config.local` (mode 600); returns whether that changed it.

    Other sections, other options and comments stay. Where DVC would not read a secret back, such as one with
    `%(name)s`, the keys are written to a credentials file that the section names.

    Args:
        options: set to these values; an empty one is removed.
        defaults: set only where the option is missing.

    Raises:
        InputError: the file is invalid, or a value cannot be written into it.
    """
    path = root / CONFIG
    before = path.read_bytes() if path.exists() else b""
    config = _parse(before, path)
    section = config.setdefault(f'remote "{remote}"', {})
    for name, value in defaults.items():
        section.setdefault(name, value)
    profile = {"profile": PROFILE, "credentialpath": f"../{CREDENTIALS}"}
    if section.get("credentialpath") == profile["credentialpath"]:
        _set(section, dict.fromkeys(profile, ""))
    _set(section, options)
    if not _reads_back(config, remote):
        _set(section, dict.fromkeys(SECRETS, "") | profile)
        if not (_reads_back(config, remote) and _write_credentials(root / CREDENTIALS, options)):
            raise InputError(
                f"the DVC remote {remote!r} cannot be written down",
                where=str(path),
                why="DVC's settings cannot hold one of its values",
                cure="no line ends and no %(..)s in LABELTRAIL_BUCKET, AWS_ENDPOINT_URL and the keys; "
                "then labeltrail up",
            )
    after = _text(config)
    if after == before and not path.stat().st_mode & 0o077:
        return False
    write_bytes(path, after, mode=0o600)
    if "credentialpath" not in section:
        (root / CREDENTIALS).unlink(missing_ok=True)
    return True


def _set(section: Any, options: Mapping[str, str]) -> None:
    for name, value in options.items():
        if value:
            section[name] = value
        else:
            section.pop(name, None)


def _parse(data: bytes, path: Path) -> Any:
    """The parsed file, with its comments.

    An invalid one with nothing but a remote is of an older Labeltrail, which did not quote secrets: it is replaced.
    """
    from configobj import ConfigObj, ConfigObjError

    options = {"interpolation": False, "encoding": "utf-8", "default_encoding": "utf-8"}
    try:
        return ConfigObj(BytesIO(data), **options)
    except (ConfigObjError, UnicodeDecodeError) as error:
        if REMOTE_ONLY.fullmatch(data.decode("utf-8", "replace")):
            return ConfigObj(**options)
        # The message quotes the line, and that may be a secret.
        line = getattr(error, "line_number", None)
        what = "DVC's settings of this clone cannot be read"
        where = f"{path}, line {line}" if line else str(path)
        why = "it is neither a section nor an option" if line else "it is not UTF-8"
        cure = f"mend the line or delete {CONFIG}; then labeltrail up"
        raise InputError(what, where=where, why=why, cure=cure) from None


def _text(config: Any) -> bytes:
    buffer = BytesIO()
    config.write(buffer)
    return buffer.getvalue()


def _reads_back(config: Any, remote: str) -> bool:
    """Whether DVC, which expands `%(name)s`, reads back what was written."""
    from configobj import ConfigObj, ConfigObjError

    section = config[f'remote "{remote}"']
    try:
        parsed = ConfigObj(StringIO(_text(config).decode()))[f'remote "{remote}"'].dict()
    except (ConfigObjError, KeyError):
        return False
    return bool(parsed == {name: section[name] for name in section})


def _write_credentials(path: Path, options: Mapping[str, str]) -> bool:
    """Write the keys as a profile of AWS's tools; returns whether those read back what was written."""
    from botocore.configloader import raw_config_parse

    keys = {f"aws_{name}": options[name] for name in SECRETS if options.get(name)}
    lines = "".join(f"{name} = {value}\n" for name, value in keys.items())
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_bytes(path, f"[{PROFILE}]\n{lines}".encode(), mode=0o600)
    return bool(raw_config_parse(str(path)).get(PROFILE) == keys)


# -- its errors -----------------------------------------------------------------------------------


@contextmanager
def translate_errors(what: str, where: str = "", cure: str = "") -> Iterator[None]:
    """Translate errors of DVC, its S3 client and the network.

    Args:
        what: could not be done.
        where: the objects.
        cure: the next command where the error itself does not name one.

    Raises:
        InputError: no keys are configured, or DVC's settings are invalid.
        ServiceError: the remote cannot be reached, refuses or fails.
    """
    try:
        yield
    except LabeltrailError:
        raise
    except Exception as error:
        ours = _translated(error, what, where, cure)
        if ours is None:
            raise
        raise ours from error


@contextmanager
def translate_lock_errors(root: Path) -> Iterator[None]:
    """Translate DVC's error about its lock.

    Raises:
        ConflictError: another DVC process works in the clone.
    """
    try:
        yield
    except Exception as error:
        from dvc.lock import LockError

        if not isinstance(error, LockError):
            raise
        what, where = "another DVC is at work in this clone", str(root / ".dvc/tmp/lock")
        raise ConflictError(what, where=where, why="it did not end within some seconds", cure=WAIT) from error


def _translated(error: Exception, what: str, where: str, cure: str) -> LabeltrailError | None:
    """Our error for one of DVC or the S3 client; None for a bug and for a full disk."""
    from aiohttp import ClientError as NetworkError
    from botocore import exceptions as boto
    from configobj import ConfigObjError
    from dvc.config import ConfigError
    from dvc.exceptions import DvcException
    from dvc.lock import LockError

    if isinstance(error, LockError):
        return ConflictError(what, where=where, why="another DVC is at work in this clone", cure=WAIT)
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.ProfileNotFound):
        why = "this clone has no keys for its DVC remote yet"
        return InputError(what, where=where, why=why, cure=SET_UP)
    if isinstance(error, ConfigError | ConfigObjError):
        why = str(error) if isinstance(error, ConfigError) else "one of its values refers to another option"
        where = str(CONFIG)
        return InputError(what, where=where, why=why, cure=f"mend {CONFIG}, or delete it and labeltrail up")
    if isinstance(
        error, boto.ConnectionError | boto.HTTPClientError | NetworkError | TimeoutError | SlowError
    ):
        why = f"the S3 server does not answer: {error or type(error).__name__}"
        cure = cure or "labeltrail up, then the same command again"
        return ServiceError(what, where=where, why=why, cure=cure)
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return None
    if isinstance(error, DvcException | boto.BotoCoreError | boto.ClientError | OSError):
        why = f"{type(error).__name__}: {error}"
        return ServiceError(what, where=where, why=why, cure=cure or "labeltrail doctor")
    return None


class SlowError(Exception):
    """The transfer is too slow; no TimeoutError, which DVC would retry."""


def transfer_limits(protocol: str) -> dict[str, Any]:
    """Options that limit the time of DVC's transfer of one object from S3; {} for other protocols."""
    if protocol != "s3":
        return {}
    from fsspec.callbacks import Callback

    from storage.network.connections import MIN_BYTES_PER_S

    class MinimumRate(Callback):  # type: ignore[misc]
        """Aborts a transfer that is slower than MIN_BYTES_PER_S."""

        ends = time.monotonic() + TRANSFER_ALLOWANCE_S

        def relative_update(self, inc: int = 1) -> None:
            self.ends += inc / MIN_BYTES_PER_S
            if time.monotonic() > self.ends:
                raise SlowError(f"less than {MIN_BYTES_PER_S} bytes a second")

    return {"callback": MinimumRate(), "timeout": TRANSFER_TIMEOUT_S}


class ReachabilityCheck:
    """Checks that the remote responds, before DVC retries for a quarter of a minute.

    An unreachable server is not probed again for some seconds, so that many missing objects fail fast.
    """

    def __init__(self, root: Path, remote: str) -> None:
        self._root, self._remote = root, remote
        self._reachable = False
        self._failed_at = -RECHECK_AFTER_S

    def require(self, config: Mapping[str, Any]) -> None:
        """Check that the remote is configured and responds.

        Args:
            config: DVC's settings, merged.

        Raises:
            InputError: neither they nor the environment name an address, so that DVC would ask Amazon.
            ServiceError: the server does not answer.
        """
        from storage import settings  # slow to import
        from storage.network import connections

        options = config.get("remote", {}).get(self._remote, {})
        if self._reachable or not str(options.get("url", "")).startswith("s3://") or options.get("profile"):
            return
        url = options.get("endpointurl") or settings.from_environment(
            "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"
        )
        if not url:
            what = f"this clone does not know yet where its DVC remote {self._remote!r} is"
            why = f"{CONFIG} names no address, and neither does the environment"
            raise InputError(what, where=str(self._root), why=why, cure=SET_UP)
        if time.monotonic() - self._failed_at < RECHECK_AFTER_S or not connections.is_reachable(
            url, PROBE_TIMEOUT_S
        ):
            self._failed_at = time.monotonic()
            what = f"the S3 server at {url} does not answer"
            why = f"no response within {PROBE_TIMEOUT_S:g} s, or the connection broke"
            cure = "labeltrail up (or check AWS_ENDPOINT_URL), then the same command again"
            raise ServiceError(what, where=f"DVC remote {self._remote!r}", why=why, cure=cure)
        self._reachable = True
