"""Requests to Label Studio: the token, how long to wait, and its refusals in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from storage.errors import ConflictError, InputError, LabeltrailError, NotFoundError, ServiceError

Json = dict[str, Any]

# A person waits at most ten seconds to hear that a server is away; imports may work for longer.
PATIENCE = (3.0, 8.0)  # seconds to connect, and between two words of the answer
LONG = (3.0, 300.0)


class Connection:
    """One Label Studio server, as the user who owns the token.

    Args:
        url: the server's address.
        token: a legacy token, or a personal access token.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._http = requests.Session()
        # As a function, for a name and password in ~/.netrc would win over a header.
        self._http.auth = self._sign
        self._authorization = f"Token {token}"
        # A personal access token is a JWT that buys tokens which last some minutes.
        self._personal = token if token.count(".") == 2 else ""
        if self._personal:
            self._renew()

    def sign_up(self, path: str, email: str, password: str) -> str:
        """Fill in the form behind an invitation link; returns the new user's token.

        Raises:
            ServiceError: Label Studio did not take the form, for example because it knows the user.
        """
        with requests.Session() as browser, self._errors(path):
            browser.get(self.url + path, timeout=PATIENCE)
            form = {
                "email": email,
                "password": password,
                "csrfmiddlewaretoken": browser.cookies.get("csrftoken", ""),
            }
            browser.post(self.url + path, data=form, headers={"Referer": self.url}, timeout=PATIENCE)
            answer = browser.get(self.url + "/api/current-user/token", timeout=PATIENCE)
        if answer.status_code != requests.codes.ok:
            why = f"HTTP {answer.status_code}"
            raise ServiceError("Label Studio did not make the user", where=email, why=why)
        return str(answer.json()["token"])

    def _object(self, method: str, path: str, **arguments: Any) -> Json:
        answer: Json = self._call(method, path, **arguments)
        return answer

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self._request(method, path, **arguments)
        return answer.json() if answer.content else None

    def _bytes(self, path: str) -> bytes:
        return self._request("GET", path, allow_redirects=True).content

    def _request(
        self,
        method: str,
        path: str,
        timeout: tuple[float, float] = PATIENCE,
        allow_redirects: bool = False,
        **content: Any,
    ) -> requests.Response:
        def send() -> requests.Response:
            return self._http.request(
                method, self.url + path, timeout=timeout, allow_redirects=allow_redirects, **content
            )

        with self._errors(path):
            answer = send()
            if answer.status_code == requests.codes.unauthorized and self._personal:
                self._renew()
                answer = send()
        if not 200 <= answer.status_code < 300:
            raise self._refusal(answer, f"{method} {self.url}{path}")
        return answer

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._authorization
        return request

    def _renew(self) -> None:
        path = "/api/token/refresh/"
        with self._errors(path):
            answer = requests.post(self.url + path, json={"refresh": self._personal}, timeout=PATIENCE)
        if answer.status_code != requests.codes.ok:
            raise self._refusal(answer, f"POST {self.url}{path}")
        self._authorization = f"Bearer {answer.json()['access']}"

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        try:
            yield
        except requests.RequestException as error:
            raise ServiceError(
                f"Label Studio at {self.url} does not answer",
                where=path,
                why=type(error).__name__,
                cure="labeltrail up (or check LABEL_STUDIO_URL), then the same command again",
            ) from error

    @staticmethod
    def _refusal(answer: requests.Response, where: str) -> LabeltrailError:
        try:
            body = answer.json()
            why = (
                str(body.get("validation_errors") or body.get("detail") or body)
                if isinstance(body, dict)
                else str(body)
            )
        except ValueError:
            why = answer.reason
        why = f"HTTP {answer.status_code}: {why[:500]}"
        kinds: dict[int, tuple[type[LabeltrailError], str, str]] = {
            400: (InputError, "Label Studio refused what was sent", "labeltrail doctor"),
            401: (
                ServiceError,
                "Label Studio refused the token",
                "check LABEL_STUDIO_API_KEY, then labeltrail doctor",
            ),
            403: (
                ServiceError,
                "Label Studio refused the token",
                "check LABEL_STUDIO_API_KEY, then labeltrail doctor",
            ),
            404: (NotFoundError, "Label Studio does not have it", "labeltrail doctor"),
            409: (ConflictError, "Label Studio has another version", "labeltrail sync"),
        }
        default = (
            ServiceError,
            "Label Studio failed",
            "labeltrail status shows its log; then the same command again",
        )
        kind, what, cure = kinds.get(answer.status_code, default)
        return kind(what, where=where, why=why, cure=cure)
