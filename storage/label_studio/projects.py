"""Label Studio's HTTP API: projects, and the storages that connect them with the bucket."""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from storage.errors import InputError, ServiceError
from storage.label_studio.session import LONG_TIMEOUTS_S, Json, Session
from storage.settings import Settings

TITLE = 50  # maximum length of a title
# An export of all annotations runs inside the request, at about 100 a second.
EXPORT_TIMEOUTS_S = (3.0, 3600.0)
ACTIVE = {"queued", "in_progress"}
FAILED = {"failed", "completed_with_errors"}
STALE_AFTER_S = 20.0  # seconds without a heartbeat; Label Studio writes one every five
POLL_INTERVAL_S = 0.3
# Labeling settings that are copied to the project of another branch.
SETTINGS = (
    "annotator_evaluation_enabled", "color", "control_weights", "enable_empty_annotation",
    "evaluate_predictions_automatically", "expert_instruction", "maximum_annotations", "overlap_cohort_percentage",
    "reveal_preannotations_interactively", "sampling", "show_annotation_history", "show_collab_predictions",
    "show_ground_truth_first", "show_instruction", "show_overlap_first", "show_skip_button", "skip_queue",
    "task_data_login",
)  # fmt: skip


class SourceError(ServiceError):
    """Label Studio could not create tasks from all objects in its source storage."""


class Projects:
    """The projects of one Label Studio server.

    Args:
        session: with that server.

    Raises (every method):
        ServiceError: the server cannot be reached, refuses the token, or fails.
        NotFoundError: the project or storage does not exist.
        InputError: Label Studio refuses what was sent, with its reason.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def url(self, project: int) -> str:
        """Address of a project's page for labeling."""
        return f"{self._session.url}/projects/{project}/data"

    def get(self, project: int) -> Json:
        """A project's settings and counts."""
        return self._session.call_object("GET", f"/api/projects/{project}/")

    def find_by_description(self, address: str) -> list[int]:
        """Ids of the projects whose description has this address of a branch, oldest first."""
        ids: list[int] = []
        page: str | None = "/api/projects/?page_size=100&include=id,description"
        while page:
            response = self._session.call_object("GET", page)
            projects = response["results"]
            ids += [item["id"] for item in projects if address in (item["description"] or "").split()]
            following = urlsplit(response.get("next") or "")
            page = f"{following.path}?{following.query}" if following.query else None
        return sorted(ids)

    def create(self, title: str, description: str, label_config: str) -> int:
        """Create a project that shows predictions to annotators."""
        body: Json = {"title": title[:TITLE], "description": description, "label_config": label_config}
        body |= {"show_collab_predictions": True}
        return int(self._session.call_object("POST", "/api/projects/", json=body)["id"])

    def check_label_config(self, label_config: str) -> None:
        """Have Label Studio validate a label config; nothing is changed.

        Raises:
            InputError: it is invalid, with the reason.
        """
        path = "/api/projects/validate/"
        try:
            self._session.request("POST", path, json={"label_config": label_config}, changes=False)
        except InputError as error:
            what, where = "Label Studio refuses the label config", error.where
            cure = "mend the label config, then run the command again"
            raise InputError(what, where=where, why=f"{error.why}; nothing was changed", cure=cure) from error

    def update(self, project: int, **changes: Any) -> None:
        """Change settings, such as `label_config` or `model_version`."""
        self._session.call("PATCH", f"/api/projects/{project}/", json=changes)

    def delete(self, project: int) -> None:
        """Delete a project with its tasks and annotations; the objects in the bucket stay."""
        # Else Label Studio would delete every annotation's object, one after the other.
        for target in self.storages(project)[1]:
            self._session.call("DELETE", f"/api/storages/export/s3/{target['id']}", timeout=LONG_TIMEOUTS_S)
        self._session.call("DELETE", f"/api/projects/{project}/", timeout=EXPORT_TIMEOUTS_S)

    # -- storages ---------------------------------------------------------------------------------

    def ensure_source(self, project: int, settings: Settings, tasks: str) -> int:
        """Create or update a project's source storage, which reads tasks below a prefix; returns its id."""
        source = _common(project, settings) | {
            "title": "recordings",
            "prefix": tasks,
            "regex_filter": r".*\.json$",
            "use_blob_urls": False,
            # Label Studio proxies recordings: the browser needs no access to the bucket, and no CORS.
            "presign": False,
            "recursive_scan": True,
        }
        return self._ensure_storage("", source)

    def ensure_target(self, project: int, settings: Settings, annotations: str) -> int:
        """Create or update a project's target storage, which writes annotations below a prefix; returns its id."""
        target = _common(project, settings) | {
            "title": "annotations",
            # No final slash: Label Studio adds one, and `a//1` is no key for MinIO.
            "prefix": annotations.rstrip("/"),
            "can_delete_objects": True,
        }
        return self._ensure_storage("export/", target)

    def storages(self, project: int) -> tuple[list[Json], list[Json]]:
        """Source and target S3 storages of a project."""
        query = {"project": project}
        sources: list[Json] = self._session.call("GET", "/api/storages/s3/", params=query)
        targets: list[Json] = self._session.call("GET", "/api/storages/export/s3", params=query)
        return sources, targets

    def _ensure_storage(self, kind: str, body: Json) -> int:
        known = self._session.call("GET", f"/api/storages/{kind}s3", params={"project": body["project"]})
        path, wanted = f"/api/storages/{kind}s3", (body["bucket"], body["prefix"].rstrip("/"))
        for storage in known:
            if (storage["bucket"], (storage["prefix"] or "").rstrip("/")) == wanted:
                self._session.call("PATCH", f"{path}/{storage['id']}", json=body, timeout=LONG_TIMEOUTS_S)
                return int(storage["id"])
        return int(self._session.call_object("POST", path, json=body, timeout=EXPORT_TIMEOUTS_S)["id"])

    def try_storage(self, kind: str, project: int, storage: Json) -> None:
        """Have Label Studio test its access to a storage; `kind` is `source` or `target`."""
        path = "/api/storages/s3/validate" if kind == "source" else "/api/storages/export/s3/validate"
        facts = {name: storage[name] for name in ("id", "bucket", "prefix", "region_name")}
        self._session.call("POST", path, json=facts | {"project": project})

    def wait_for_source(self, storage: int) -> None:
        """Wait until no sync of the source storage runs: two at the same time create every new task twice.

        A sync continues after its client was killed, with a heartbeat every few seconds.
        """
        heartbeat, since = None, time.monotonic()
        while (facts := self._session.call_object("GET", f"/api/storages/s3/{storage}"))["status"] in ACTIVE:
            if facts["meta"] != heartbeat:
                heartbeat, since = facts["meta"], time.monotonic()
            elif time.monotonic() - since > STALE_AFTER_S:
                return  # Label Studio itself was killed
            time.sleep(POLL_INTERVAL_S)

    def sync_source(self, storage: int) -> None:
        """Create tasks from new objects in the source storage.

        Raises:
            SourceError: it stopped at an invalid object.
        """
        self.wait_for_source(storage)
        path = f"/api/storages/s3/{storage}/sync"
        facts = self._session.call_object("POST", path, json={}, timeout=LONG_TIMEOUTS_S)
        if facts.get("status") in FAILED:
            traceback = str(facts.get("traceback") or "").strip().splitlines() or ["it does not say why"]
            what, why = "Label Studio did not make tasks of all objects in the bucket", traceback[-1][:500]
            cure = "mend or delete the object, then the same command again"
            raise SourceError(what, where=f"{facts['bucket']}/{facts['prefix']}", why=why, cure=cure)

    def sync_target(self, storage: int) -> None:
        """Write the objects of all annotations of a target storage's project."""
        path = f"/api/storages/export/s3/{storage}/sync"
        self._session.call("POST", path, json={}, timeout=EXPORT_TIMEOUTS_S)


def _common(project: int, settings: Settings) -> Json:
    common: Json = {
        "project": project,
        "bucket": settings.bucket,
        "region_name": settings.region,
        "aws_access_key_id": settings.access_key_id,
        "aws_secret_access_key": settings.secret_access_key.get_secret_value(),
    }
    if not _is_local(settings.s3_endpoint):
        # Label Studio refuses local addresses here; LABEL_STUDIO_S3_ENDPOINT sets one at its start.
        common["s3endpoint"] = settings.s3_endpoint
    return common


def _is_local(url: str) -> bool:
    """Whether Label Studio refuses an address, to prevent request forgery (SSRF)."""
    host = urlsplit(url).hostname or ""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host == "localhost"
