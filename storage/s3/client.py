"""Requests to an S3 server: signed by botocore, sent by urllib3, with retries.

Botocore's own client spends most of a LIST in its parser and half of a GET outside the network
(docs/decisions/0002 has the figures). One table maps S3 errors to ours.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

import certifi
import urllib3
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError

from storage.errors import ConflictError, LabeltrailError, NotFoundError, ServiceError
from storage.files import md5_bytes
from storage.network.connections import POOLS, TimedBody, proxy_for
from storage.network.retries import Attempts
from storage.settings import Settings
from storage.text.json_text import whole_number

CONNECTIONS = 32  # kept open at most
CONNECT_TIMEOUT_S = 2.0  # seconds to connect
READ_TIMEOUT_S = 20.0  # seconds between two bytes of a response
PROBE_TIMEOUT_S = 4.0  # seconds to the first byte of a response
MAX_ATTEMPTS = 4
RETRY_DEADLINE_S = 45.0  # after which a request is not retried

LONGEST_ERROR = 1 << 16  # bytes of an error response
# `send` retries itself, and the pool may be a proxy's, whose host differs from the server's.
ONCE: dict[str, Any] = {"retries": False, "redirect": False, "assert_same_host": False}
RETRY_STATUSES = {429, 500, 502, 503, 504}
RETRY_CODES = {"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "IncompleteBody"}
PLAIN_MD5 = re.compile("[0-9a-f]{32}")
KEYS = "mend AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY where the address is set (.env or the environment)"
PERMISSIONS = "have the keys allowed to list, get, put and delete in the bucket (docs/recipes/own-s3.md)"


class Fault(NamedTuple):
    """An S3 error as ours; by default `labeltrail doctor` finds out more."""

    kind: type[LabeltrailError]
    why: str
    cure: str = "labeltrail doctor"


CONDITION_FAILED = Fault(ConflictError, "somebody else wrote it in the meantime")
REFUSED = Fault(ServiceError, "the credentials may not do this", PERMISSIONS)
NOT_FOUND = Fault(NotFoundError, "the object is not there")
UNKNOWN_KEY = Fault(ServiceError, "AWS_ACCESS_KEY_ID is not known to the server", KEYS)
NO_BUCKET = "labeltrail up makes it (or mend LABELTRAIL_BUCKET)"
SET_CLOCK = "set this machine's clock, then the same command again"
ERRORS = {
    "NoSuchKey": NOT_FOUND,
    "404": NOT_FOUND,
    "NoSuchBucket": Fault(NotFoundError, "the bucket does not exist", NO_BUCKET),
    "PreconditionFailed": CONDITION_FAILED,
    "ConditionalRequestConflict": CONDITION_FAILED,
    "412": CONDITION_FAILED,
    "AccessDenied": REFUSED,
    "403": REFUSED,
    "InvalidAccessKeyId": UNKNOWN_KEY,
    "XAdminUserNotFound": UNKNOWN_KEY,  # versitygw's code for it
    "SignatureDoesNotMatch": Fault(ServiceError, "AWS_SECRET_ACCESS_KEY is wrong", KEYS),
    "RequestTimeTooSkewed": Fault(
        ServiceError, "the clocks of this machine and of the server differ too much", SET_CLOCK
    ),
}


@dataclass(frozen=True)
class Response:
    """A response of the server.

    Attributes:
        status: of HTTP.
        data: the whole body.
        etag: of the object, without quotes; "" where the response names none.
        code: S3's error code, else the status as text; "" without an error.
        message: S3's error message.
        attempts: number of requests; earlier ones may have taken effect.
        size: bytes of the body, also of one that was too large to be read.
    """

    status: int
    data: bytes
    etag: str = ""
    code: str = ""
    message: str = ""
    attempts: int = 1
    size: int = 0

    @property
    def condition_failed(self) -> bool:
        """Whether the condition of a conditional put did not hold."""
        return ERRORS.get(self.code) is CONDITION_FAILED

    @property
    def not_found(self) -> bool:
        """Whether the object does not exist."""
        return ERRORS.get(self.code) is NOT_FOUND


@dataclass(frozen=True)
class Request:
    """A request, in path style.

    Attributes:
        method: of HTTP.
        path: decoded, from the bucket's name on.
        query: parameters of the address.
        headers: beside those of the signature.
        body: all bytes.
        most: maximum bytes of the response; 0: no limit.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    most: int = 0


class S3Http:
    """One S3 server, as the owner of the credentials in the settings. Threads may share it."""

    def __init__(self, settings: Settings) -> None:
        self.endpoint = settings.s3_endpoint.rstrip("/")
        secret = settings.secret_access_key.get_secret_value()
        self._credentials = ReadOnlyCredentials(settings.access_key_id, secret, None)
        self._region = settings.region
        self._signer = S3SigV4Auth(self._credentials, "s3", settings.region)
        self._pool = _pool(self.endpoint)
        # A proxy for plain HTTP needs the whole address.
        plain = self._pool.proxy is not None and self.endpoint.startswith("http:")
        self._base = self.endpoint if plain else urlsplit(self.endpoint).path

    def check_reachable(self) -> None:
        """Probe the server with a short timeout; requests have the longer one that large objects need.

        Raises:
            ServiceError: there was no response, twice.
        """
        timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=PROBE_TIMEOUT_S)
        for last in (False, True):
            try:
                self._pool.urlopen("GET", f"{self._base}/", timeout=timeout, **ONCE)
            except (HTTPError, TimeoutError) as error:
                if last:
                    raise self._unreachable(self.endpoint, _cause(error), 2) from error
            else:
                return

    def send(self, request: Request, where: str) -> Response:
        """Send a request, with retries.

        Args:
            request: must be idempotent.
            where: the object, for errors.

        Raises:
            ServiceError: at every attempt the server cannot be reached, fails, or truncates its response.
        """
        attempts = Attempts(MAX_ATTEMPTS, RETRY_DEADLINE_S)
        while True:
            cause: HTTPError | TimeoutError | None = None
            try:
                response = self._send_once(request, attempts.number)
                if response.status not in RETRY_STATUSES and response.code not in RETRY_CODES:
                    return response
                why = f"{response.code}: {response.message}"
            except (HTTPError, TimeoutError) as error:
                why, cause = _cause(error), error
            if attempts.is_last():
                raise self._unreachable(where, why, attempts.number) from cause
            attempts.wait()

    def signed(self, path: str, seconds: int) -> str:
        """A presigned URL of an object."""
        request = AWSRequest("GET", self.endpoint + _quoted(path))
        S3SigV4QueryAuth(self._credentials, "s3", self._region, expires=seconds).add_auth(request)
        return str(request.url)

    def refusal(self, response: Response, where: str) -> LabeltrailError:
        """The error for a response with an error code."""
        unknown = Fault(ServiceError, f"{response.code}: {response.message}")
        fault = ERRORS.get(response.code, unknown)
        return fault.kind("the bucket refused", where=where, why=fault.why, cure=fault.cure)

    def _send_once(self, request: Request, attempts: int) -> Response:
        target = _quoted(request.path) + _query(request.query)
        signed = AWSRequest(request.method, self.endpoint + target, dict(request.headers), request.body)
        self._signer.add_auth(signed)
        headers = {**signed.headers, "Content-Length": str(len(request.body))}
        response = self._pool.urlopen(
            request.method,
            self._base + target,
            # A file is sent in blocks, each with its own timeout; bytes would share one.
            body=TimedBody(request.body, READ_TIMEOUT_S) if request.body else None,
            headers=headers if request.body else dict(signed.headers),
            decode_content=False,
            preload_content=not request.most,
            **ONCE,
        )
        etag = response.headers.get("ETag", "").strip('"')
        if request.most:
            size, data = _read(response, request.most if response.status < 300 else LONGEST_ERROR)
            if response.status < 300 and size > request.most:
                return Response(response.status, b"", etag, attempts=attempts, size=size)
        else:
            data = response.data
        if response.status >= 300:
            return Response(response.status, data, etag, *_parse_error(response.status, data), attempts)
        if "x-amz-copy-source" in request.headers and b"<Error" in data:
            # S3 responds before a copy has ended, so it can fail with status 200.
            return Response(response.status, data, etag, *_parse_error(500, data), attempts)
        if request.method == "GET" and not request.query:
            _check(data, etag, response.headers)
        return Response(response.status, data, etag, attempts=attempts)

    def _unreachable(self, where: str, why: str, attempts: int) -> ServiceError:
        what = f"the S3 server at {self.endpoint} does not answer"
        why = f"{why} (tried {attempts} times)" if attempts > 1 else why
        cure = "labeltrail up (or check AWS_ENDPOINT_URL), then the same command again"
        return ServiceError(what, where=where, why=why, cure=cure)


def _read(response: BaseHTTPResponse, most: int) -> tuple[int, bytes]:
    """Size of a body, and its bytes; a body larger than `most` is not read, and the connection is closed."""
    size = whole_number(response.headers.get("Content-Length", "")) or 0
    data = b"" if size > most else response.read(most + 1, decode_content=False)
    if max(size, len(data)) > most:
        response.close()
        return max(size, len(data)), b""
    response.release_conn()
    return len(data), data


class TruncatedError(HTTPError):
    """The body was truncated or damaged on the way."""


def _check(data: bytes, etag: str, headers: Mapping[str, str]) -> None:
    """Verify a body by its ETag where that is an MD5: not of multipart uploads, nor with encryption by a key."""
    if not PLAIN_MD5.fullmatch(etag) or headers.get("x-amz-server-side-encryption", "AES256") != "AES256":
        return
    if "x-amz-server-side-encryption-customer-algorithm" in headers:
        return
    if md5_bytes(data) != etag:
        raise TruncatedError("the bytes do not have the MD5 that the server names")


def _pool(endpoint: str) -> urllib3.HTTPConnectionPool:
    parts = urlsplit(endpoint)
    options: dict[str, Any] = {
        "maxsize": CONNECTIONS,
        "timeout": urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
    }
    if parts.scheme == "https":
        # The system's certificates, which may include a company's own, and the usual ones.
        options["ssl_context"] = context = ssl.create_default_context()
        context.load_verify_locations(certifi.where())
    proxy = proxy_for(endpoint)
    manager = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
    manager.pool_classes_by_scheme = POOLS
    return manager.connection_from_url(endpoint)


def _quoted(path: str) -> str:
    return quote(f"/{path}", safe="/~")


def _query(parameters: Mapping[str, str]) -> str:
    """The query string, sorted and quoted as for the signature."""
    pairs = (f"{quote(name, safe='')}={quote(value, safe='~')}" for name, value in sorted(parameters.items()))
    return "?" + "&".join(pairs) if parameters else ""


def _parse_error(status: int, data: bytes) -> tuple[str, str]:
    """S3's error code and message; the status where the body has neither."""
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError:
        return str(status), f"HTTP {status}"
    return root.findtext("{*}Code") or str(status), root.findtext("{*}Message") or f"HTTP {status}"


def _cause(error: HTTPError | TimeoutError) -> str:
    if isinstance(error, TruncatedError):
        return str(error)
    if isinstance(error, NewConnectionError):
        return "there is no server at this address"
    if isinstance(error, ReadTimeoutError | ConnectTimeoutError | TimeoutError):
        return "no whole response from it in time"
    return f"the connection broke: {type(error).__name__}"
