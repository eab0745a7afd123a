"""Being told when a response has ended."""

from collections.abc import AsyncIterator

import pytest

from lukhas.http.headers import Headers
from lukhas.http.messages import Pushed, Response
from lukhas.pipeline.endings import follow


async def chunks() -> AsyncIterator[bytes]:
    yield b"1"


@pytest.mark.parametrize("body", [b"", b"12345"])
def test_a_whole_body_has_ended(body: bytes) -> None:
    """At once, and nothing is put on the response."""
    ends: list[int] = []
    response = Response(200, Headers([]), body)
    follow(response, ends.append)
    assert ends == [len(body)]
    assert (response.taps, response.on_close) == (None, None)


def test_a_stream_ends_with_its_last_piece() -> None:
    """The sum of what was passed on, once, though the close comes after it."""
    ends: list[int] = []
    response = Response(200, Headers([]), chunks())
    follow(response, ends.append)
    assert response.taps is not None
    (tap,) = response.taps
    assert tap.feed(b"123", last=False) == b"123"
    assert ends == []
    assert tap.feed(b"4", last=True) == b"4"
    assert ends == [4]
    assert response.on_close is not None
    response.on_close()
    tap.abort()
    assert ends == [4]


@pytest.mark.parametrize("by_close", [False, True])
def test_a_response_that_is_given_up_ends_too(*, by_close: bool) -> None:
    """With what was sent of it until then."""
    ends: list[int] = []
    closed: list[int] = []
    response = Response(200, Headers([]), Pushed(), on_close=lambda: closed.append(1))
    follow(response, ends.append)
    assert response.taps is not None
    response.taps[0].feed(b"12", last=False)
    if by_close:
        assert response.on_close is not None
        response.on_close()
    else:
        response.taps[0].abort()
    assert ends == [2]
    assert closed == [1] * by_close


def test_who_follows_comes_behind_who_was_there() -> None:
    """It sees what the others make of the body; all are told of the close."""
    ends: list[tuple[str, int]] = []
    response = Response(200, Headers([]), chunks())
    follow(response, lambda size: ends.append(("one", size)))
    follow(response, lambda size: ends.append(("two", size)))
    assert response.taps is not None
    assert len(response.taps) == 2
    assert response.on_close is not None
    response.on_close()
    assert sorted(ends) == [("one", 0), ("two", 0)]


def test_a_failure_at_the_end_does_not_keep_the_close_from_others() -> None:
    """Whoever holds something for the response lets go of it."""
    closed: list[int] = []
    response = Response(200, Headers([]), chunks(), on_close=lambda: closed.append(1))

    def fail(_size: int) -> None:
        raise ValueError("broken")

    follow(response, fail)
    assert response.on_close is not None
    with pytest.raises(ValueError, match="broken"):
        response.on_close()
    assert closed == [1]
