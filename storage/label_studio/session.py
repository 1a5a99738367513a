"""Requests to Label Studio: authorization, timeouts, retries, and translation of errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError

from storage.errors import ConflictError, InputError, LabeltrailError, NotFoundError, ServiceError
from storage.network.connections import POOLS
from storage.network.loopback import is_loopback
from storage.network.retries import Attempts
from storage.text.json_text import well_formed

Json = dict[str, Any]

# An unreachable server is reported within ten seconds; imports may take longer.
TIMEOUTS_S = (3.0, 8.0)  # seconds to connect, and between two bytes of the response
LONG_TIMEOUTS_S = (3.0, 300.0)
MAX_ATTEMPTS = 4
RETRY_DEADLINE_S = 10.0  # after which a request is not retried
FAILURE = ("Label Studio failed", "labeltrail status shows its log; then the same command again")
WRONG_TOKEN = (
    "Label Studio refused the token",
    "mend LABEL_STUDIO_API_KEY where the address is set (.env or the environment)",
)
RETRY_STATUSES = {500, 502, 503, 504}
IDEMPOTENT = {"GET", "PATCH", "DELETE"}  # safe to retry


class BrokenResponseError(ServiceError):
    """Label Studio responds HTTP 500 at every attempt: it cannot show an object that it holds."""


class Session:
    """One Label Studio server, as the user who owns the token.

    Args:
        url: the server's address.
        token: a legacy token, or a personal access token.
        read_only: nothing but GET is sent; anything else is a bug.
    """

    def __init__(self, url: str, token: str, *, read_only: bool = False) -> None:
        self.url, self._read_only = url.rstrip("/"), read_only
        self._http = _Http()
        # A function: name and password in ~/.netrc would have precedence over a header.
        self._http.auth = self._authorize
        self._authorization = f"Token {token}"
        # A personal access token is a JWT, exchanged for tokens that are valid for some minutes.
        self._personal = token if token.count(".") == 2 else ""
        if self._personal:
            self._renew()

    def sign_up(self, path: str, email: str, password: str) -> str:
        """Submit the form of an invitation link; returns the new user's token.

        Raises:
            ServiceError: Label Studio did not accept it, for example because the user exists.
        """
        with _Http() as browser, self._errors(path):
            browser.get(self.url + path, timeout=TIMEOUTS_S)
            csrf = browser.cookies.get("csrftoken", "")
            form = {"email": email, "password": password, "csrfmiddlewaretoken": csrf}
            browser.post(self.url + path, data=form, headers={"Referer": self.url}, timeout=TIMEOUTS_S)
            response = browser.get(self.url + "/api/current-user/token", timeout=TIMEOUTS_S)
        if response.status_code != requests.codes.ok:
            why = f"HTTP {response.status_code}"
            raise ServiceError("Label Studio did not make the user", where=email, why=why)
        return str(response.json()["token"])

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """Send a request; returns the JSON of the response. Raises and arguments as `request`."""
        response = self.request(method, path, **arguments)
        if not response.ok or not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            what = f"what answers at {self.url} is not Label Studio"
            why = f"its response is no JSON: {response.text[:100]!r}"
            cure = "check LABEL_STUDIO_URL, then labeltrail doctor"
            raise ServiceError(what, where=f"{method} {self.url}{path}", why=why, cure=cure) from error

    def call_object(self, method: str, path: str, **arguments: Any) -> Json:
        """The same, where the response is a JSON object."""
        response: Json = self.call(method, path, **arguments)
        return response

    def download(self, path: str) -> bytes:
        """The bytes at a path."""
        return self.request("GET", path, allow_redirects=True).content

    def request(
        self,
        method: str,
        path: str,
        timeout: tuple[float, float] = TIMEOUTS_S,
        allow_redirects: bool = False,
        changes: bool = True,
        **content: Any,
    ) -> requests.Response:
        """Send a request, with retries; a POST is retried only if nothing has reached the server.

        Args:
            method: of HTTP.
            path: after the server's address.
            timeout: seconds to connect, and between two bytes.
            allow_redirects: follow them.
            changes: False for a POST that changes nothing.
            content: of the request.

        Raises:
            ServiceError: the server cannot be reached, refuses the token, or fails.
            NotFoundError, InputError, ConflictError: the object does not exist, or the request is refused.

        Returns:
            A successful response; or 404 to a DELETE of which an earlier attempt has succeeded.
        """
        if self._read_only and changes and method != "GET":
            raise AssertionError(f"{method} {path} in a dry run")
        content |= {"timeout": timeout, "allow_redirects": allow_redirects}
        if "json" in content:
            # Label Studio accepts lone surrogates, and from then on responds 500 for the whole task.
            content["json"] = well_formed(content["json"])
        with self._errors(path):
            count, response = self._request_with_retry(method, path, **content)
            if response.status_code == requests.codes.unauthorized and self._personal:
                self._renew()
                more, response = self._request_with_retry(method, path, **content)
                count += more - 1
        deleted = method == "DELETE" and count > 1 and response.status_code == requests.codes.not_found
        if not 200 <= response.status_code < 300 and not deleted:
            raise self._refusal(response, f"{method} {self.url}{path}")
        return response

    def _request_with_retry(self, method: str, path: str, **content: Any) -> tuple[int, requests.Response]:
        """The first response that is not to be retried, and the number of attempts."""
        attempts = Attempts(MAX_ATTEMPTS, RETRY_DEADLINE_S)
        while True:
            try:
                response = self._http.request(method, self.url + path, **content)
                fails = response.status_code in RETRY_STATUSES and method in IDEMPOTENT
                if not fails or attempts.is_last():
                    return attempts.number, response
            except requests.RequestException as error:
                if attempts.is_last() or not (method in IDEMPOTENT or _is_unsent(error)):
                    raise
            attempts.wait()

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._authorization
        return request

    def _renew(self) -> None:
        path = "/api/token/refresh/"
        with self._errors(path), _Http() as session:
            response = session.post(self.url + path, json={"refresh": self._personal}, timeout=TIMEOUTS_S)
        if response.status_code != requests.codes.ok:
            raise self._refusal(response, f"POST {self.url}{path}")
        self._authorization = f"Bearer {response.json()['access']}"

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        try:
            yield
        except requests.RequestException as error:
            what = f"Label Studio at {self.url} does not answer"
            cure = "labeltrail up (or check LABEL_STUDIO_URL), then the same command again"
            raise ServiceError(what, where=path, why=type(error).__name__, cure=cure) from error

    @staticmethod
    def _refusal(response: requests.Response, where: str) -> LabeltrailError:
        try:
            why = response.json()
            if isinstance(why, dict):
                why = why.get("validation_errors") or why.get("detail") or why
        except ValueError:
            why = response.reason
        why = f"HTTP {response.status_code}: {str(why)[:500]}"
        kinds: dict[int, tuple[type[LabeltrailError], str, str]] = {
            400: (InputError, "Label Studio refused what was sent", "labeltrail doctor"),
            401: (ServiceError, *WRONG_TOKEN),
            403: (ServiceError, *WRONG_TOKEN),
            404: (NotFoundError, "Label Studio does not have it", "labeltrail doctor"),
            500: (BrokenResponseError, *FAILURE),
            409: (ConflictError, "Label Studio has another version", "labeltrail sync"),
        }
        kind, what, cure = kinds.get(response.status_code, (ServiceError, *FAILURE))
        return kind(what, where=where, why=why, cure=cure)


class _Adapter(HTTPAdapter):
    """Connections with a time limit for responses."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = POOLS
        return manager


class _Http(requests.Session):
    """A session of requests: no proxy for addresses of this machine, and a time limit for responses."""

    def __init__(self) -> None:
        super().__init__()
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter())

    def merge_environment_settings(self, url: Any, proxies: Any, *others: Any) -> Any:
        """The settings of the environment, without its proxies for an address of this machine."""
        direct = {"http": "", "https": ""} if is_loopback(str(url)) else {}
        return super().merge_environment_settings(url, {**direct, **(proxies or {})}, *others)


def _is_unsent(error: requests.RequestException) -> bool:
    """Whether the request cannot have reached the server."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, NewConnectionError)
