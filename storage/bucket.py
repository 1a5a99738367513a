"""The bucket: the one module that speaks S3.

Plain S3 calls in path style, so that MinIO, versitygw and the clouds' own stores are alike. The keys are in
docs/formats.md. Botocore's errors become ours by one table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.request import urlopen
from uuid import uuid4

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from storage.errors import ConflictError, LabeltrailError, NotFoundError, ServiceError
from storage.settings import Settings

A = TypeVar("A")
B = TypeVar("B")

THREADS = 16
HANGING = 5  # seconds without a word after which a server counts as away
DELETE_LIMIT = 1000  # keys in one DeleteObjects call, by the S3 protocol

ERRORS: dict[str, tuple[type[LabeltrailError], str]] = {
    "NoSuchKey": (NotFoundError, "the object is not there"),
    "404": (NotFoundError, "the object is not there"),
    "NoSuchBucket": (NotFoundError, "the bucket does not exist"),
    "PreconditionFailed": (ConflictError, "somebody else wrote it in the meantime"),
    "412": (ConflictError, "somebody else wrote it in the meantime"),
    "AccessDenied": (ServiceError, "the credentials may not do this"),
    "403": (ServiceError, "the credentials may not do this"),
    "InvalidAccessKeyId": (ServiceError, "AWS_ACCESS_KEY_ID is not known to the server"),
    "SignatureDoesNotMatch": (ServiceError, "AWS_SECRET_ACCESS_KEY is wrong"),
}


@dataclass(frozen=True)
class Object:
    """What LIST says of an object; for an object put in one part, `etag` is the MD5 of its bytes."""

    key: str
    etag: str
    size: int


class Bucket:
    """One bucket on one S3 server.

    Raises (every method):
        ServiceError: the server is away or refuses the credentials.
        NotFoundError: the bucket or the key does not exist.
    """

    def __init__(self, settings: Settings) -> None:
        self.name = settings.bucket
        self.endpoint = settings.s3_endpoint
        # Amazon's S3 wants the region named wherever it is not the first one, and refuses it there.
        region = {"LocationConstraint": settings.region}
        self._place = {} if settings.region == "us-east-1" else {"CreateBucketConfiguration": region}
        self._greet()
        # Without boto3, which is the same client and a tenth of a second more to import.
        self._client = get_session().create_client(
            "s3",
            endpoint_url=settings.s3_endpoint,
            aws_access_key_id=settings.access_key_id,
            aws_secret_access_key=settings.secret_access_key.get_secret_value(),
            region_name=settings.region,
            config=Config(
                s3={"addressing_style": "path"},
                connect_timeout=2,
                read_timeout=20,
                # One retry is needed: servers close idle connections without a word.
                retries={"total_max_attempts": 3, "mode": "standard"},
                max_pool_connections=THREADS,
                # Newer defaults add checksums that some S3 servers refuse.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def _greet(self) -> None:
        """Ask for any answer at all, before real requests are given the time that large objects need."""
        try:
            urlopen(self.endpoint, timeout=HANGING).close()  # noqa: S310 -- the scheme is checked by the settings
        except HTTPError:
            return  # a refusal is an answer
        except (OSError, HTTPException) as error:
            raise self._away(self.url(""), type(error).__name__) from error

    def _away(self, where: str, why: str) -> ServiceError:
        cure = "labeltrail up (or check AWS_ENDPOINT_URL), then the same command again"
        return ServiceError(
            f"the S3 server at {self.endpoint} does not answer", where=where, why=why, cure=cure
        )

    def create(self) -> bool:
        """Make the bucket if it does not exist; says whether it was made."""
        with self._errors(""):
            try:
                self._client.create_bucket(Bucket=self.name, **self._place)
            except ClientError as error:
                if _code(error) in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                    return False
                raise
            return True

    def objects(self, prefix: str) -> Iterator[Object]:
        """All objects whose key starts with `prefix`, in the order of their keys."""
        with self._errors(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
            for page in pages:
                for item in page.get("Contents", ()):
                    yield Object(item["Key"], item["ETag"].strip('"'), item["Size"])

    def get(self, key: str) -> tuple[bytes, str]:
        """The bytes and the ETag of an object."""
        with self._errors(key):
            answer = self._client.get_object(Bucket=self.name, Key=key)
            return answer["Body"].read(), answer["ETag"].strip('"')

    def put(self, key: str, data: bytes, *, match: str | None = None, content_type: str = "") -> str:
        """Write an object whole and return its ETag.

        Args:
            key: where.
            data: all bytes.
            match: write only if the object still has this ETag; "" means only if there is none.
            content_type: MIME type, if a browser will ask for it.

        Raises:
            ConflictError: the object is not the one that `match` names.
        """
        condition = {} if match is None else {"IfMatch": match} if match else {"IfNoneMatch": "*"}
        kind = {"ContentType": content_type} if content_type else {}
        with self._errors(key):
            answer = self._client.put_object(Bucket=self.name, Key=key, Body=data, **condition, **kind)
            return str(answer["ETag"]).strip('"')

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; one that is not there is no error."""
        names = list(keys)
        for start in range(0, len(names), DELETE_LIMIT):
            some = names[start : start + DELETE_LIMIT]
            with self._errors(some[0]):
                answer = self._client.delete_objects(
                    Bucket=self.name, Delete={"Objects": [{"Key": key} for key in some], "Quiet": True}
                )
            for failed in answer.get("Errors", ()):
                raise ServiceError(
                    "an object could not be deleted",
                    where=f"s3://{self.name}/{failed['Key']}",
                    why=f"{failed['Code']}: {failed.get('Message', '')}",
                )

    def sign(self, key: str, seconds: int = 60) -> str:
        """An address that lets anybody read the object for a while."""
        url: str = self._client.generate_presigned_url(
            "get_object", Params={"Bucket": self.name, "Key": key}, ExpiresIn=seconds
        )
        return url

    def probe(self) -> list[str]:
        """Do everything once that the work needs, on an object of its own; returns what was done.

        Raises:
            ServiceError: one of them fails, or gives back other bytes.
        """
        key, data = f"labeltrail-probe-{uuid4().hex}", b"probe"
        etag = self.put(key, data, match="")
        try:
            if self.get(key) != (data, etag) or [item.key for item in self.objects(key)] != [key]:
                raise ServiceError("the bucket gives back something else than was put", where=self.url(key))
            self._refuses_a_second(key, data)
            self._read_signed(key, data)
        finally:
            self.delete([key])
        if list(self.objects(key)):
            raise ServiceError("the bucket keeps what was deleted", where=self.url(key))
        return ["put", "get", "list", "conditional put", "signed address", "delete"]

    def _refuses_a_second(self, key: str, data: bytes) -> None:
        try:
            self.put(key, data, match="")
        except ConflictError:
            return
        why = "it takes a conditional put whose condition does not hold, so two syncs could overwrite each other"
        raise ServiceError(
            "this S3 server cannot be used", where=self.endpoint, why=why, cure="use MinIO or versitygw"
        )

    def _read_signed(self, key: str, data: bytes) -> None:
        try:
            with urlopen(self.sign(key), timeout=5) as answer:  # noqa: S310 -- the scheme is the endpoint's
                found = answer.read()
        except OSError as error:
            raise ServiceError(
                "a signed address cannot be read", where=self.url(key), why=str(error)
            ) from error
        if found != data:
            raise ServiceError("a signed address gives other bytes", where=self.url(key))

    def url(self, key: str) -> str:
        """The object's name as people and task data write it: `s3://bucket/key`."""
        return f"s3://{self.name}/{key}"

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        where = self.url(key)
        try:
            yield
        except ClientError as error:
            code = _code(error)
            kind, why = ERRORS.get(
                code, (ServiceError, f"{code}: {error.response['Error'].get('Message', '')}")
            )
            raise kind("the bucket refused", where=where, why=why, cure="labeltrail doctor") from error
        except BotoCoreError as error:
            raise self._away(where, type(error).__name__) from error


def parallel(function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """Apply a bucket call to many items, several at a time, results in order."""
    with ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(function, items)


def _code(error: Any) -> str:
    return str(error.response["Error"]["Code"])
