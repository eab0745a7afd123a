"""Requests and responses as values."""

import pytest

from lukhas.http.headers import Headers
from lukhas.http.messages import Pushed, RequestHead, Response


def test_request_head_compares_by_value() -> None:
    """Two heads of the same parts are equal; a different part makes them differ."""

    def head(path: bytes) -> RequestHead:
        return RequestHead(
            method="GET",
            scheme="https",
            authority=b"a.example",
            path=path,
            query=b"",
            headers=Headers([(b"accept", b"*/*")]),
        )

    assert head(b"/x") == head(b"/x")
    assert head(b"/x") != head(b"/y")


def test_response_starts_plain() -> None:
    """A new response has an empty body, no ready head, no taps and no callback."""
    response = Response(204, Headers([]))
    assert response.body == b""
    assert response.ready_head is None
    assert response.taps is None
    assert response.on_close is None


def test_messages_take_no_unknown_attributes() -> None:
    """A misspelt attribute is an error, not a silent new one."""
    with pytest.raises(AttributeError):
        Response(200, Headers([])).header = Headers([])  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        Pushed().body = b""  # type: ignore[attr-defined]
