"""Operations on the bucket, by plain S3 calls in path style, which MinIO, versitygw and clouds support.

The keys are in docs/formats.md; storage/s3/client.py sends requests, retries them and translates errors.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote, unquote_plus
from uuid import uuid4
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from storage.errors import ConflictError, InputError, NotFoundError, ServiceError
from storage.files import md5_bytes
from storage.network.connections import open_url
from storage.s3.client import Request, Response, S3Http
from storage.settings import Settings

A = TypeVar("A")
B = TypeVar("B")

THREADS = 16
QUEUED = 16  # items for each thread that `parallel` queues before their results are requested
DELETE_LIMIT = 1000  # keys in one DeleteObjects call, by the S3 protocol
# Characters that XML 1.0 does not allow, and line ends, which its parsers change.
NOT_XML = re.compile("[^\t\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Object:
    """An entry of LIST; for an object put in one part, `etag` is the MD5 of its bytes."""

    key: str
    etag: str
    size: int
    modified: str = field(default="", compare=False)  # ISO 8601, by the server's clock


class Bucket:
    """One bucket on one S3 server. Threads may share it. All methods are idempotent, with retries.

    Raises (every method):
        ServiceError: the server cannot be reached, fails, or refuses the credentials.
        NotFoundError: the bucket or the key does not exist.
    """

    def __init__(self, settings: Settings, *, read_only: bool = False) -> None:
        self.name, self._read_only = settings.bucket, read_only
        self.endpoint = settings.s3_endpoint
        self._region = settings.region
        self._http = S3Http(settings)
        self._http.check_reachable()

    def create(self) -> bool:
        """Create the bucket if it does not exist; returns whether it was created."""
        namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
        # Amazon requires the region, except in us-east-1, where it refuses it.
        region = f"<LocationConstraint>{escape(self._region)}</LocationConstraint>"
        body = f'<CreateBucketConfiguration xmlns="{namespace}">{region}</CreateBucketConfiguration>'
        first = self._region == "us-east-1"
        response = self._send("PUT", "", body=b"" if first else body.encode())
        if response.code in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            return False
        self._check_response(response, "")
        return True

    def objects(self, prefix: str) -> Iterator[Object]:
        """All objects whose key starts with `prefix`, in the order of their keys."""
        with ThreadPoolExecutor(1) as server:
            page: Future[ElementTree.Element] | None = server.submit(self._page, prefix, "")
            while page:
                listing = page.result()
                token = listing.findtext("{*}NextContinuationToken")
                # The next page is requested while this one is read.
                page = server.submit(self._page, prefix, token) if token else None
                yield from _listed(listing)

    def folders(self) -> list[str]:
        """Top-level prefixes, without the slash."""
        names: list[str] = []
        token, more = "", True
        while more:
            listing = self._page("", token, delimiter="/")
            prefixes = listing.iterfind("{*}CommonPrefixes/{*}Prefix")
            names += [unquote_plus(prefix.text or "").rstrip("/") for prefix in prefixes]
            token = listing.findtext("{*}NextContinuationToken") or ""
            more = bool(token)
        return names

    def get(self, key: str, most: int = 0) -> tuple[bytes, str]:
        """The bytes and the ETag of an object.

        Raises:
            InputError: it has more than `most` bytes (0: no limit); it was not read.
        """
        path = f"{self.name}/{key}"
        response = self._http.send(Request("GET", path, most=most), self.url(key))
        if response.size > most > 0:
            what = "the object is too large"
            raise InputError(what, where=self.url(key), why=too_large(response.size, most))
        self._check_response(response, key)
        return response.data, response.etag

    def etag(self, key: str) -> str:
        """The version of an object; "" where there is none."""
        first = next(self.objects(key), None)  # sorted by key: longer keys come later
        return first.etag if first and first.key == key else ""

    def put(self, key: str, data: bytes, *, match: str | None = None, content_type: str = "") -> str:
        """Write an object and return its ETag.

        Args:
            key: of the object.
            data: all bytes.
            match: conditional put: only if the object still has this ETag; "" only if there is none.
            content_type: MIME type, if a browser will ask for it.

        Raises:
            ConflictError: the condition does not hold.
        """
        headers = {"Content-Type": content_type} if content_type else {}
        if match is not None:
            headers |= {"If-Match": f'"{match}"'} if match else {"If-None-Match": "*"}
        response = self._send("PUT", key, headers=headers, body=data)
        if response.condition_failed and response.attempts > 1 and self._has_content(key, data):
            # The response to an earlier attempt was lost: that version is ours.
            return md5_bytes(data)
        if match and response.not_found:
            what = "the bucket refused"
            raise ConflictError(what, where=self.url(key), why="somebody deleted it meanwhile")
        return self._check_response(response, key).etag

    def copy(self, source: str, target: str) -> str:
        """Copy an object on the server, overwriting the target; returns the ETag of the copy."""
        source_path = quote(f"/{self.name}/{source}", safe="/~")
        response = self._send("PUT", target, headers={"x-amz-copy-source": source_path})
        self._check_response(response, target)
        return (ElementTree.fromstring(response.data).findtext("{*}ETag") or "").strip('"')

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; a missing one is no error."""
        names = list(keys)
        # A request for many is XML, which cannot hold every character that a key can.
        unencodable = [name for name in names if NOT_XML.search(name)]
        names = [name for name in names if not NOT_XML.search(name)] if unencodable else names
        batches = [names[start : start + DELETE_LIMIT] for start in range(0, len(names), DELETE_LIMIT)]
        for _ in parallel(self._delete, batches):
            pass
        for _ in parallel(self._delete_one, unencodable):
            pass

    def delete_prefix(self, prefix: str) -> int:
        """Delete every object whose key starts with `prefix`; returns their number."""
        keys = [item.key for item in self.objects(prefix)]
        self.delete(keys)
        return len(keys)

    def sign(self, key: str, seconds: int = 60) -> str:
        """A presigned URL of the object."""
        return self._http.signed(f"{self.name}/{key}", seconds)

    def probe(self) -> list[str]:
        """Test all operations that are needed on an object of its own; returns their names.

        Raises:
            ServiceError: an operation fails, or returns other bytes.
        """
        key, data = f"labeltrail-probe-{uuid4().hex}", b"probe"
        etag = self.put(key, data, match="")
        try:
            if self.get(key) != (data, etag) or [item.key for item in self.objects(key)] != [key]:
                raise ServiceError("the bucket gives back something else than was put", where=self.url(key))
            self._check_conditional_put(key, data)
            self._check_presigned(key, data)
        finally:
            self.delete([key])
        if list(self.objects(key)):
            raise ServiceError("the bucket keeps what was deleted", where=self.url(key))
        return ["put", "get", "list", "conditional put", "signed address", "delete"]

    def url(self, key: str) -> str:
        """The object's name as people and task data write it: `s3://bucket/key`."""
        return f"s3://{self.name}/{key}"

    # -- requests ---------------------------------------------------------------------------------

    def _send(
        self,
        method: str,
        key: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Response:
        self._check_writable(method)
        path = f"{self.name}/{key}" if key else self.name
        return self._http.send(Request(method, path, query or {}, headers or {}, body), self.url(key))

    def _check_writable(self, method: str) -> None:
        """Writing in a dry run is a bug."""
        if self._read_only and method != "GET":
            raise AssertionError(f"{method} in a dry run")

    def _check_response(self, response: Response, key: str) -> Response:
        if response.code:
            raise self._http.refusal(response, self.url(key))
        return response

    def _page(self, prefix: str, token: str, delimiter: str = "") -> ElementTree.Element:
        # Encoded, for XML cannot hold every character that a key can.
        query = {"list-type": "2", "prefix": prefix, "encoding-type": "url"}
        query |= {"delimiter": delimiter} if delimiter else {}
        query |= {"continuation-token": token} if token else {}
        request = Request("GET", self.name, query)
        response = self._check_response(self._http.send(request, self.url(prefix)), prefix)
        return ElementTree.fromstring(response.data)

    def _has_content(self, key: str, data: bytes) -> bool:
        try:
            return self.get(key)[0] == data
        except NotFoundError:
            return False

    def _delete_one(self, key: str) -> None:
        response = self._send("DELETE", key)
        if not response.not_found:
            self._check_response(response, key)

    def _delete(self, keys: list[str]) -> None:
        self._check_writable("POST")
        items = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys)
        body = f"<Delete><Quiet>true</Quiet>{items}</Delete>".encode()
        digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        headers = {"Content-MD5": digest, "Content-Type": "application/xml"}
        request = Request("POST", self.name, {"delete": ""}, headers, body)
        response = self._check_response(self._http.send(request, self.url(keys[0])), keys[0])
        for failed in ElementTree.fromstring(response.data).iterfind("{*}Error"):
            what = "an object could not be deleted"
            why = f"{failed.findtext('{*}Code')}: {failed.findtext('{*}Message')}"
            raise ServiceError(what, where=self.url(failed.findtext("{*}Key") or ""), why=why)

    # -- what doctor checks -----------------------------------------------------------------------

    def _check_conditional_put(self, key: str, data: bytes) -> None:
        try:
            self.put(key, data, match="")
        except ConflictError:
            return
        why = "it takes a conditional put whose condition does not hold, so two syncs could overwrite each other"
        what = "this S3 server cannot be used"
        raise ServiceError(what, where=self.endpoint, why=why, cure="use MinIO or versitygw")

    def _check_presigned(self, key: str, data: bytes) -> None:
        try:
            with open_url(self.sign(key), timeout=5) as response:
                data_read = response.read()
        except OSError as error:
            what = "a signed address cannot be read"
            raise ServiceError(what, where=self.url(key), why=str(error)) from error
        if data_read != data:
            raise ServiceError("a signed address gives other bytes", where=self.url(key))


def too_large(size: int, most: int) -> str:
    """Why an object was not read."""
    return f"it has {size:,} bytes, and {most:,} at most are read"


def parallel(function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """Apply a bucket call to many items in a thread pool; results come in order.

    Items are consumed as results are requested, so that neither piles up. The first error ends it: running calls are
    awaited, queued ones are cancelled.
    """
    waiting: deque[Future[B]] = deque()
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= THREADS * QUEUED:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _listed(listing: ElementTree.Element) -> Iterator[Object]:
    space = listing.tag.removesuffix("ListBucketResult")
    names = f"{space}Key", f"{space}ETag", f"{space}Size", f"{space}LastModified"
    encoded = listing.findtext(f"{space}EncodingType") == "url"
    for item in listing.iterfind(f"{space}Contents"):
        key, etag, size, modified = (item.findtext(name) or "" for name in names)
        yield Object(unquote_plus(key) if encoded else key, etag.strip('"'), int(size), modified)
