"""Label Studio as a program: its own environment, its empty database, how it is started.

Its pins are tight, so it never shares an environment with ours. Making its database takes half a minute;
it is made once a machine, with no user and no key in it, and every new project gets a copy.
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
# Packages of the lock that have no wheel anywhere; they hold Python alone.
SOURCES = ("attr", "django-ranged-fileresponse", "drf-flex-fields", "drf-generators", "ordered-set")
# The lock before it had hashes: the same versions, and what was installed by it is kept.
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
    "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",  # it counts when the first user is made
    "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
}
# What it writes of times into exports, logs and pages is the same on every machine, whatever the shell's zone is.
ZONE = {"TZ": "UTC"}


def prepare(cache: Path) -> Path:
    """Find Label Studio in the cache, or install it and make its empty database; returns the program.

    An environment cannot be moved once it is made, so a marker, written last, says that it is whole; one
    without it, or of another lock file, is made anew.

    Raises:
        SetupError: uv is missing, or others could have changed what is in the cache.
        ProgramError: a package could not be installed, or the database not be made.
    """
    program = _folder(cache) / "bin/label-studio"
    machine_cache.ready(cache)
    if _is_whole(cache):
        machine_cache.require_tree(_folder(cache))
        return program
    waiting = "Label Studio: another labeltrail installs it; waiting"
    with process.lock(cache / "label-studio.lock", lambda: note(waiting)):
        if not _is_whole(cache):
            _install(cache, program)
    return program


def _folder(cache: Path) -> Path:
    return cache / f"label-studio-{VERSION}"


def _is_whole(cache: Path) -> bool:
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
        # `version` migrates, prints and ends; with no user named it makes none.
        env = settings.server_environment(LABEL_STUDIO_BASE_DATA_DIR=draft, **QUIET, **ZONE)
        process.run([program, "version"], env=env, cwd=Path(draft))
        # The database alone is kept: the folder's .env holds a key that must differ between projects.
        (Path(draft) / DATABASE).replace(folder / DATABASE)
    (folder / COMPLETE).write_text(_lock_hash(), encoding="utf-8")
    note("Label Studio: installed")


def variables(root: Path, values: Settings) -> dict[str, str]:
    """The settings of the server itself."""
    return {
        **QUIET,
        **ACCESS,
        **ZONE,
        # The option --data-dir would come too late: a folder in the user's home is made before it is read.
        "LABEL_STUDIO_BASE_DATA_DIR": str(data_folder(root)),
        "LABEL_STUDIO_USERNAME": values.label_studio_username,
        "LABEL_STUDIO_PASSWORD": values.label_studio_password.get_secret_value(),
        "LABEL_STUDIO_USER_TOKEN": values.label_studio_api_key.get_secret_value(),
        # Storages leave their endpoint out: Label Studio refuses a loopback one from users, not from here.
        "LABEL_STUDIO_S3_ENDPOINT": values.s3_endpoint,
    }


def launch(root: Path, program: Path, values: Settings, port: int) -> Launch:
    """How Label Studio is started for the project at `root`; its data stay in `.labeltrail/data`."""
    data = data_folder(root)
    data.mkdir(parents=True, exist_ok=True)
    # The database holds the bucket's keys, written there with the storages.
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
    """Where Label Studio's database of this project is."""
    return root / ".labeltrail/data/label-studio"


def username(root: Path) -> str:
    """The name of the user that a start with new credentials makes.

    A database that outlived its `.env` knows the old name with an old password and token, and would keep
    them; another name makes another user in the same organization, who sees everything.
    """
    used = (data_folder(root) / DATABASE).exists()
    return f"admin-{secrets.token_hex(2)}@labeltrail.local" if used else "admin@labeltrail.local"
