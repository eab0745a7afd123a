"""lukhas.pipeline.stages.cache_answers: rule R9, parts of stored responses."""

import pytest

from tests.unit.pipeline.stages.cache_kit import Kit, response

TEN = b"0123456789"


@pytest.fixture
async def kit() -> Kit:
    kit = Kit()
    kit.answer = response(TEN, cache_control="max-age=60", etag='"a"', content_type="text/plain")
    await kit.ask()
    kit.answer = AssertionError("the origin is not to be asked")
    return kit


@pytest.mark.parametrize(
    ("wanted", "body", "told"),
    [
        ("bytes=0-1", b"01", b"bytes 0-1/10"),
        ("bytes=8-", b"89", b"bytes 8-9/10"),
        ("bytes=-3", b"789", b"bytes 7-9/10"),
        ("bytes=5-500", b"56789", b"bytes 5-9/10"),
    ],
)
async def test_r9_rfc_9110_14_2_parts_come_from_the_stored_whole(
    kit: Kit, wanted: str, body: bytes, told: bytes
) -> None:
    """With the fields of the stored response, the length of the part, and where it is."""
    got = await kit.ask(range=wanted)
    assert (got.status, got.body, got.result) == (206, body, "hit")
    fields = got.answer.headers
    assert fields.get_all(b"content-range") == [told]
    assert fields.get_all(b"content-length") == [b"%d" % len(body)]
    assert fields.get(b"content-type") == b"text/plain"
    assert got.answer.ready_head is None


async def test_r9_rfc_9110_15_5_17_no_such_part(kit: Kit) -> None:
    """416 says how long the whole is, and is no text/plain."""
    got = await kit.ask(range="bytes=10-")
    assert (got.status, got.body) == (416, b"")
    assert got.answer.headers.get(b"content-range") == b"bytes */10"
    assert got.answer.headers.get_all(b"content-length") == [b"0"]
    assert b"content-type" not in got.answer.headers


@pytest.mark.parametrize("wanted", ["bytes=0-1,4-5", "lines=0-1", "bytes=x"])
async def test_r9_rfc_9110_14_2_other_ranges_get_the_whole(kit: Kit, wanted: str) -> None:
    """A server may ignore Range."""
    got = await kit.ask(range=wanted)
    assert (got.status, got.body) == (200, TEN)


async def test_r9_rfc_9110_13_1_5_if_range(kit: Kit) -> None:
    """The part of the version that the client has, or the whole of ours."""
    assert (await kit.ask(range="bytes=0-1", if_range='"a"')).status == 206
    assert (await kit.ask(range="bytes=0-1", if_range='"b"')).body == TEN


async def test_r9_rfc_9110_13_2_2_conditions_go_first(kit: Kit) -> None:
    """A client that has the whole needs no part."""
    assert (await kit.ask(range="bytes=0-1", if_none_match='"a"')).status == 304
    assert (await kit.ask(range="bytes=0-1", if_none_match='"b"')).status == 206


async def test_r9_rfc_9110_14_2_only_get_has_ranges(kit: Kit) -> None:
    """HEAD is told about the whole."""
    got = await kit.ask(range="bytes=0-1", method="HEAD")
    assert (got.status, got.body) == (200, b"")
    assert got.answer.headers.get(b"content-length") == b"10"


async def test_r9_errors_have_no_parts() -> None:
    """A range is for the content of a 200."""
    kit = Kit()
    kit.answer = response(b"gone", 410, cache_control="max-age=60")
    await kit.ask()
    assert (await kit.ask(range="bytes=0-1")).body == b"gone"


async def test_r9_a_range_for_what_is_not_stored_passes(kit: Kit) -> None:
    """The origin gets it as it is; its part, or its refusal, ends nothing that is stored."""
    for answer in (
        response(b"01", 206, cache_control="max-age=60", content_range="bytes 0-1/10"),
        response(b"", 416, cache_control="max-age=60", content_range="bytes */10"),
    ):
        kit.answer = answer
        got = await kit.ask("/other", range="bytes=0-1")
        assert (got.status, got.told) == (answer.status, "lukhas; fwd=uri-miss")
        assert kit.heads[-1].headers.get(b"range") == b"bytes=0-1"
    kit.answer = response(TEN, cache_control="max-age=60")
    assert (await kit.ask("/other", range="bytes=0-1")).told == "lukhas; fwd=uri-miss; stored"
    assert (await kit.ask("/other", range="bytes=0-1")).body == b"01"
