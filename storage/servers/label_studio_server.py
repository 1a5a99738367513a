"""The Label Studio server of a clone: its environment, its database, its settings.

It has an environment of its own, as its dependencies are pinned. Its empty database, without users and keys, takes
half a minute to make; it is made once on a machine, and every new project gets a copy.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import tempfile
from pathlib import Path

from storage import process, settings
from storage.progress import note
from storage.servers import machine_cache, uv_environment
from storage.servers.supervisor import Launch
from storage.settings import HOST, LABEL_STUDIO, Settings

VERSION = "1.23.2"
LOCK = Path(__file__).with_name("label-studio.lock.txt")
# Packages of the lock without a wheel; they are pure Python.
SOURCES = ("attr", "django-ranged-fileresponse", "drf-flex-fields", "drf-generators", "ordered-set")
# SHA-256 of the earlier lock without hashes, which had the same versions: its installations stay valid.
EARLIER = "d6836f8e0c16589dcc4e817d5981c2e1d280896cdf974f17f9460a47f0baa3d8"
COMPLETE = ".complete"
DATABASE = "label_studio.sqlite3"
DRAFT = "label-studio-draft-"
QUIET = {
    "LATEST_VERSION_CHECK": "false",
    "COLLECT_ANALYTICS": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "DEBUG": "false",
    "LOG_LEVEL": "WARNING",
}
ACCESS = {
    "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",  # applies when the first user is created
    "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
}
# Times in exports, logs and pages are independent of the shell's time zone.
ZONE = {"TZ": "UTC"}


def prepare(cache: Path) -> Path:
    """Find Label Studio in the cache, or install it and make its empty database; returns the program.

    An environment cannot be moved, so a marker, written last, says that it is complete; one without it, or of another
    lock file, is made again.

    Raises:
        SetupError: uv is missing, or others could have changed the cache.
        ProgramError: a package could not be installed, or the database could not be made.
    """
    program = _folder(cache) / "bin/label-studio"
    machine_cache.ready(cache)
    if _is_complete(cache):
        machine_cache.require_tree(_folder(cache))
        return program
    waiting = "Label Studio: another labeltrail installs it; waiting"
    with process.lock(cache / "label-studio.lock", lambda: note(waiting)):
        if not _is_complete(cache):
            _install(cache, program)
    return program


def _folder(cache: Path) -> Path:
    return cache / f"label-studio-{VERSION}"


def _is_complete(cache: Path) -> bool:
    marker = _folder(cache) / COMPLETE
    return marker.exists() and marker.read_text(encoding="utf-8") in (_lock_hash(), EARLIER)


def _lock_hash() -> str:
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()


def _install(cache: Path, program: Path) -> None:
    folder = _folder(cache)
    for left in (folder, *cache.glob(DRAFT + "*")):
        if left.exists():
            note(f"Label Studio: removing a half-finished or outdated installation, {left}")
            shutil.rmtree(left)
    note(f"Label Studio: installing {VERSION} into an environment of its own")
    uv_environment.make_environment(cache, folder, LOCK, SOURCES)
    note("Label Studio: making its empty database; once a machine, half a minute")
    with tempfile.TemporaryDirectory(prefix=DRAFT, dir=cache) as draft:
        # `version` migrates the database, and creates no user.
        env = settings.server_environment(LABEL_STUDIO_BASE_DATA_DIR=draft, **QUIET, **ZONE)
        process.run([program, "version"], env=env, cwd=Path(draft))
        # Only the database is kept: .env in this folder has a key that must differ between projects.
        (Path(draft) / DATABASE).replace(folder / DATABASE)
    (folder / COMPLETE).write_text(_lock_hash(), encoding="utf-8")
    note("Label Studio: installed")


def variables(root: Path, values: Settings) -> dict[str, str]:
    """The environment variables of the server."""
    return {
        **QUIET,
        **ACCESS,
        **ZONE,
        # Not --data-dir: a folder in the user's home is created before that is read.
        "LABEL_STUDIO_BASE_DATA_DIR": str(data_folder(root)),
        "LABEL_STUDIO_USERNAME": values.label_studio_username,
        "LABEL_STUDIO_PASSWORD": values.label_studio_password.get_secret_value(),
        "LABEL_STUDIO_USER_TOKEN": values.label_studio_api_key.get_secret_value(),
        # Label Studio refuses a loopback endpoint in storages, but accepts it here.
        "LABEL_STUDIO_S3_ENDPOINT": values.s3_endpoint,
    }


def launch(root: Path, program: Path, values: Settings, port: int) -> Launch:
    """How to start Label Studio for the project at `root`, with its data in `.labeltrail/data`."""
    data = data_folder(root)
    data.mkdir(parents=True, exist_ok=True)
    # The database has the bucket's keys, with the storages.
    data.chmod(0o700)
    if not (data / DATABASE).exists():
        draft = data / f"{DATABASE}.draft"
        shutil.copyfile(program.parent.parent / DATABASE, draft)
        draft.replace(data / DATABASE)
    address = ("--internal-host", HOST, "--port", str(port))
    return Launch(
        service=LABEL_STUDIO,
        args=(str(program), "start", "--no-browser", *address),
        variables=variables(root, values),
        data=data,
        ports=(port,),
        start_timeout=180,
    )


def data_folder(root: Path) -> Path:
    """The folder of this project's Label Studio database."""
    return root / ".labeltrail/data/label-studio"


def username(root: Path) -> str:
    """The name of the user that is created with new credentials.

    An existing database, whose `.env` was lost, keeps the password and token of its user; another name creates
    another user of the same organization, who sees everything.
    """
    used = (data_folder(root) / DATABASE).exists()
    return f"admin-{secrets.token_hex(2)}@labeltrail.local" if used else "admin@labeltrail.local"
