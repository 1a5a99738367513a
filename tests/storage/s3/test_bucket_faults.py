"""The bucket when things go wrong, on every S3 server at hand, behind a proxy that makes them go wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from storage.errors import ConflictError, ServiceError
from storage.files import md5_bytes
from storage.s3 import client
from storage.s3.bucket import Bucket
from storage.settings import Settings
from tests.support.proxy import Proxy, Request, standing_before

TROUBLES = ["500", "late 503", "hang", "late hang", "cut", "reset"]


@pytest.fixture
def proxy(s3: Settings, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before the server, and a client with short timeouts."""
    monkeypatch.setattr(client, "READ_TIMEOUT_S", 0.6)
    with standing_before(s3.s3_endpoint) as found:
        yield found


@pytest.fixture
def behind(s3: Settings, proxy: Proxy) -> Bucket:
    """The same bucket, through the proxy."""
    made = Bucket(s3.model_copy(update={"s3_endpoint": proxy.url}))
    proxy.seen.clear()
    return made


@pytest.mark.parametrize("trouble", TROUBLES)
def test_every_call_gets_over_trouble(bucket: Bucket, behind: Bucket, proxy: Proxy, trouble: str) -> None:
    bucket.put("a", b"some bytes")

    def again() -> None:
        proxy.script = [trouble]

    again()
    assert behind.get("a") == (b"some bytes", md5_bytes(b"some bytes"))
    again()
    assert [item.key for item in behind.objects("")] == ["a"]
    again()
    assert behind.put("b", b"other") == md5_bytes(b"other")
    again()
    assert behind.copy("b", "c") == md5_bytes(b"other")
    again()
    behind.delete(["b"])
    again()
    assert not behind.create()
    assert [item.key for item in bucket.objects("")] == ["a", "c"]
    assert proxy.done == [trouble] * 6


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_conditional_put_whose_answer_was_lost_is_no_conflict(
    bucket: Bucket, behind: Bucket, proxy: Proxy, trouble: str
) -> None:
    proxy.script = [trouble]
    first = behind.put("state", b"1", match="")
    proxy.script = [trouble, trouble]
    assert behind.put("state", b"2", match=first) == md5_bytes(b"2")
    assert bucket.get("state") == (b"2", md5_bytes(b"2"))


def test_a_conditional_put_that_was_overtaken_between_its_tries_is_a_conflict(
    bucket: Bucket, behind: Bucket, proxy: Proxy
) -> None:
    first = bucket.put("state", b"1")

    def overtake(request: Request) -> None:
        if len(proxy.seen) == 1:
            bucket.put("state", b"theirs")

    proxy.after = overtake
    proxy.script = ["late 500"]
    with pytest.raises(ConflictError):
        behind.put("state", b"ours", match=first)
    assert bucket.get("state")[0] == b"theirs"


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        ("503", "SlowDown: HTTP 503 (tried 4 times)"),
        ("hang", "no whole response from it in time (tried 4 times)"),
        ("cut", "the connection broke: ProtocolError (tried 4 times)"),
    ],
)
def test_lasting_trouble_ends_in_an_error_that_says_so(
    bucket: Bucket, behind: Bucket, proxy: Proxy, trouble: str, why: str
) -> None:
    bucket.put("a", b"some bytes")
    proxy.script = [trouble] * 9
    with pytest.raises(ServiceError) as caught:
        behind.get("a")
    assert caught.value.what == f"the S3 server at {proxy.url} does not answer"
    assert (caught.value.where, caught.value.why) == (bucket.url("a"), why)
    assert "then the same command again" in caught.value.cure
    assert len(proxy.seen) == 4


def test_other_bytes_than_the_etag_says_are_read_again(
    bucket: Bucket, behind: Bucket, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("a", b"some bytes")
    real, times = client.md5_bytes, []

    def damaged(data: bytes) -> str:
        times.append(data)
        return real(data + b"!" if len(times) < 3 else data)

    monkeypatch.setattr(client, "md5_bytes", damaged)
    assert behind.get("a")[0] == b"some bytes"
    assert len(proxy.seen) == 3


def test_a_server_that_is_not_there_is_said_soon(minio: Settings) -> None:
    began = time.monotonic()
    with pytest.raises(ServiceError, match="does not answer") as caught:
        Bucket(minio.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"}))
    assert caught.value.why == "there is no server at this address (tried 2 times)"
    assert time.monotonic() - began < 2
