"""The bucket, on MinIO, and with `make test-slow` on versitygw."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from urllib.request import urlopen

import pytest
from botocore import auth
from pydantic import SecretStr

from storage.errors import ConflictError, InputError, NotFoundError, ServiceError
from storage.files import md5_bytes
from storage.s3.bucket import THREADS, Bucket, Object, parallel
from storage.settings import Settings
from tests.conftest import VERSITYGW

SPECIAL = [
    "a b", "a+b", "a%b", "a%20b", "a..b", "x.../y", "é/ü 漢字.csv", "~tilde", "q?x=1&y=2", "h#a", "<&>\"'",
    "tab\tline\nend", "bell\x07 escape\x1b return\r delete\x7f next\x85 separator\u2028",
    "a:b@c;d=e,f!g$h*(i)", "._-", " lead", "trail ", "p|[]{}^`\\",
    "deep/" * 190 + "1,000 bytes" * 4,
]  # fmt: skip


def test_a_bucket_is_made_once(bucket: Bucket) -> None:
    assert not bucket.create()
    assert list(bucket.objects("")) == []


@pytest.mark.parametrize("key", SPECIAL)
def test_any_key_is_put_read_listed_copied_signed_and_deleted(bucket: Bucket, key: str) -> None:
    data = key.encode()
    assert bucket.put(key, data) == md5_bytes(data)
    assert bucket.get(key) == (data, md5_bytes(data))
    assert list(bucket.objects(key)) == [Object(key, md5_bytes(data), len(data))]
    assert bucket.copy(key, f"copy of/{key}"[:1024]) == md5_bytes(data)
    assert bucket.get(f"copy of/{key}"[:1024])[0] == data
    with urlopen(bucket.sign(key), timeout=5) as answer:  # noqa: S310
        assert answer.read() == data
    bucket.delete([key])
    assert list(bucket.objects(key)) == []


def test_what_is_empty_large_or_many_megabytes(bucket: Bucket) -> None:
    for size in (0, 1, 1 << 16, 20 << 20):
        data = bytes(range(256)) * (size // 256) or b"x" * size
        assert bucket.put("size", data) == md5_bytes(data)
        assert bucket.get("size") == (data, md5_bytes(data))


def test_the_version_of_one_object_among_those_that_begin_like_it(bucket: Bucket) -> None:
    for key in ("v/1", "v/10", "v/1/x"):
        bucket.put(key, key.encode())
    assert bucket.etag("v/1") == bucket.get("v/1")[1]
    bucket.delete(["v/1"])
    assert (bucket.etag("v/1"), bucket.etag("v/2")) == ("", "")


def test_an_object_that_is_too_large_is_not_read(bucket: Bucket) -> None:
    bucket.put("size", b"x" * 1001)
    with pytest.raises(InputError, match="too large") as caught:
        bucket.get("size", 1000)
    assert caught.value.why == "it has 1,001 bytes, and 1,000 at most are read"
    assert bucket.get("size", 1001)[0] == b"x" * 1001
    with pytest.raises(NotFoundError):
        bucket.get("no such key", 10)


def test_a_content_type_is_kept(bucket: Bucket) -> None:
    bucket.put("a.csv", b"1,2", content_type="text/csv")
    with urlopen(bucket.sign("a.csv"), timeout=5) as answer:  # noqa: S310
        assert answer.headers["Content-Type"] == "text/csv"


def test_listing_and_deleting_more_than_a_page(bucket: Bucket) -> None:
    names = [f"many/{number:04d}" for number in range(2001)]
    for _ in parallel(lambda key: bucket.put(key, b""), [*names, "other/1"]):
        pass
    assert [item.key for item in bucket.objects("many/")] == names
    assert len(list(bucket.objects(""))) == 2002
    assert bucket.delete_prefix("many/") == 2001
    assert [item.key for item in bucket.objects("")] == ["other/1"]
    assert bucket.delete_prefix("nothing/") == 0


def test_a_key_that_is_a_folder_too_is_read_but_not_listed(s3: Settings, bucket: Bucket) -> None:
    """Servers that keep objects as files: why no key of ours goes on where another one ends."""
    bucket.put("x", b"1")
    if s3.access_key_id == VERSITYGW:
        with pytest.raises(ServiceError) as caught:
            bucket.put("x/y", b"2")
        assert caught.value.why.startswith("ObjectParentIsFile")
    else:
        bucket.put("x/y", b"2")
        assert (bucket.get("x")[0], bucket.get("x/y")[0]) == (b"1", b"2")
        assert [item.key for item in bucket.objects("")] == ["x"]


def test_writing_under_a_condition(bucket: Bucket) -> None:
    first = bucket.put("state", b"1", match="")
    with pytest.raises(ConflictError) as caught:
        bucket.put("state", b"1", match="")
    assert (caught.value.where, caught.value.why) == (
        bucket.url("state"), "somebody else wrote it in the meantime"
    )  # fmt: skip
    second = bucket.put("state", b"2", match=first)
    with pytest.raises(ConflictError):
        bucket.put("state", b"3", match=first)
    assert bucket.get("state") == (b"2", second)
    bucket.delete(["state"])
    with pytest.raises(ConflictError, match="the bucket refused"):
        bucket.put("state", b"3", match=second)


def test_what_is_not_there(bucket: Bucket, s3: Settings) -> None:
    for act in (lambda: bucket.get("none"), lambda: bucket.copy("none", "other")):
        with pytest.raises(NotFoundError, match="the bucket refused") as caught:
            act()
        assert caught.value.why == "the object is not there"
    bucket.delete(["none"])
    nowhere = Bucket(s3.model_copy(update={"bucket": "not-a-bucket-of-ours"}))
    for act in (lambda: nowhere.get("a"), lambda: list(nowhere.objects(""))):
        with pytest.raises(NotFoundError) as caught:
            act()
        assert caught.value.why == "the bucket does not exist"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"secret_access_key": SecretStr("another-secret")}, "AWS_SECRET_ACCESS_KEY is wrong"),
        ({"access_key_id": "nobody-we-know"}, "AWS_ACCESS_KEY_ID is not known to the server"),
    ],
)
def test_wrong_credentials_are_said(s3: Settings, bucket: Bucket, wrong: dict, why: str) -> None:
    stranger = Bucket(s3.model_copy(update=wrong))
    for act in (
        lambda: stranger.get("a"),
        lambda: list(stranger.objects("")),
        lambda: stranger.put("a", b""),
        lambda: stranger.delete(["a"]),
    ):
        with pytest.raises(ServiceError) as caught:
            act()
        assert caught.value.why == why


def test_a_clock_a_day_off_is_said(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    real = auth.get_current_datetime
    monkeypatch.setattr(auth, "get_current_datetime", lambda: real() + auth.datetime.timedelta(days=1))
    with pytest.raises(ServiceError, match="the bucket refused"):
        bucket.put("a", b"")


def test_probe_leaves_nothing(bucket: Bucket) -> None:
    assert bucket.probe()[-1] == "delete"
    assert list(bucket.objects("")) == []


def test_parallel_keeps_the_order_takes_no_more_than_it_needs_and_ends_with_the_first_error() -> None:
    taken = []

    def numbers() -> Iterator[int]:
        for number in range(100_000):
            taken.append(number)
            yield number

    def work(number: int) -> int:
        if number == 700:
            raise NotFoundError("seven hundred")
        return number

    before = threading.active_count()
    results = parallel(work, numbers())
    assert [next(results) for _ in range(700)] == list(range(700))
    with pytest.raises(NotFoundError):
        next(results)
    assert len(taken) < 2000
    assert threading.active_count() < before + THREADS
