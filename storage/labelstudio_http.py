"""Requests to Label Studio: the token, how long to wait, and its refusals in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from storage.errors import ConflictError, InputError, LabeltrailError, NotFoundError, ServiceError

Json = dict[str, Any]

# A person waits at most ten seconds to hear that a server is away; imports may work for longer.
PATIENCE = httpx.Timeout(8.0, connect=3.0)
LONG = httpx.Timeout(300.0, connect=3.0)


class Connection:
    """One Label Studio server, as the user who owns the token.

    Args:
        url: the server's address.
        token: a legacy token, or a personal access token.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, timeout=PATIENCE)
        self._http.headers["Authorization"] = f"Token {token}"
        # A personal access token is a JWT that buys tokens which last some minutes.
        self._personal = token if token.count(".") == 2 else ""
        if self._personal:
            self._renew()

    def sign_up(self, path: str, email: str, password: str) -> str:
        """Fill in the form behind an invitation link; returns the new user's token.

        Raises:
            ServiceError: Label Studio did not take the form, for example because it knows the user.
        """
        with httpx.Client(base_url=self.url, timeout=PATIENCE, follow_redirects=True) as browser:
            with self._errors(path):
                browser.get(path)
                form = {
                    "email": email,
                    "password": password,
                    "csrfmiddlewaretoken": browser.cookies.get("csrftoken", ""),
                }
                browser.post(path, data=form, headers={"Referer": self.url})
                answer = browser.get("/api/current-user/token")
            if answer.status_code != httpx.codes.OK:
                why = f"HTTP {answer.status_code}"
                raise ServiceError("Label Studio did not make the user", where=email, why=why)
            return str(answer.json()["token"])

    def _object(self, method: str, path: str, **arguments: Any) -> Json:
        answer: Json = self._call(method, path, **arguments)
        return answer

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        with self._errors(path):
            answer = self._http.request(method, path, **arguments)
            if answer.status_code == httpx.codes.UNAUTHORIZED and self._personal:
                self._renew()
                answer = self._http.request(method, path, **arguments)
        if answer.is_success:
            return answer.json() if answer.content else None
        raise self._refusal(answer, f"{method} {self.url}{path}")

    def _bytes(self, path: str) -> bytes:
        with self._errors(path):
            answer = self._http.get(path, follow_redirects=True)
        if not answer.is_success:
            raise self._refusal(answer, f"GET {self.url}{path}")
        return answer.content

    def _renew(self) -> None:
        path = "/api/token/refresh/"
        with self._errors(path):
            answer = self._http.post(path, json={"refresh": self._personal}, headers={"Authorization": ""})
        if not answer.is_success:
            raise self._refusal(answer, f"POST {self.url}{path}")
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access']}"

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise ServiceError(
                f"Label Studio at {self.url} does not answer",
                where=path,
                why=type(error).__name__,
                cure="labeltrail up (or check LABEL_STUDIO_URL), then the same command again",
            ) from error

    @staticmethod
    def _refusal(answer: httpx.Response, where: str) -> LabeltrailError:
        try:
            body = answer.json()
            why = (
                str(body.get("validation_errors") or body.get("detail") or body)
                if isinstance(body, dict)
                else str(body)
            )
        except ValueError:
            why = answer.reason_phrase
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
