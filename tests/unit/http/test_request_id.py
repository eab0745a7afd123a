"""Request identifiers from outside."""

import pytest

from lukhas.http.request_id import valid_request_id


@pytest.mark.parametrize(
    "value",
    [
        b"a",
        b"0198c3f2-1c5e-7d0a-9b7e-2f8f1f0f5a11",
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        b"aGk+/w==",
        b"._~-",
        b"x" * 128,
    ],
)
def test_usual_ids_are_valid(value: bytes) -> None:
    """UUIDs, trace ids and Base64 up to 128 characters pass."""
    assert valid_request_id(value) is True


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"x" * 129,
        b"a b",
        b"a\n",
        b"a\r\nb",
        b"a\x00",
        b"<a>",
        b'"a"',
        b"a;b",
        b"a,b",
        b"\xc3\xa9",
    ],
)
def test_other_text_is_refused(value: bytes) -> None:
    """Nothing that could break a log line, a header or a page."""
    assert valid_request_id(value) is False
