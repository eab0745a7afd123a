"""Status codes and status lines."""

from http import HTTPStatus

import pytest

from lukhas.http.status import reason_phrase, status_line

# RFC 9110 renamed some phrases after the library's table was made; 418 is registered as unused.
NEWER = {413, 414, 416, 418, 422}


def test_phrases_agree_with_the_registry() -> None:
    """Every code the standard library knows has the same phrase here."""
    for status in HTTPStatus:
        if status not in NEWER:
            assert reason_phrase(status).decode() == status.phrase


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (413, b"Content Too Large"),
        (414, b"URI Too Long"),
        (416, b"Range Not Satisfiable"),
        (422, b"Unprocessable Content"),
        (306, b""),
        (418, b""),
        (299, b""),
        (999, b""),
        (0, b""),
    ],
)
def test_phrases_of_rfc_9110(status: int, phrase: bytes) -> None:
    """Phrases as RFC 9110 section 15 has them; unused and unknown codes have none."""
    assert reason_phrase(status) == phrase


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (200, b"HTTP/1.1 200 OK\r\n"),
        (429, b"HTTP/1.1 429 Too Many Requests\r\n"),
        (100, b"HTTP/1.1 100 Continue\r\n"),
        (299, b"HTTP/1.1 299 \r\n"),
        (999, b"HTTP/1.1 999 \r\n"),
    ],
)
def test_status_line(status: int, line: bytes) -> None:
    """The space stays where the phrase is empty (RFC 9112 section 4)."""
    assert status_line(status) == line


@pytest.mark.parametrize("status", [99, 1000, 0, -1])
def test_status_line_needs_three_digits(status: int) -> None:
    """Anything but 100 to 999 is refused."""
    with pytest.raises(ValueError, match="100 to 999"):
        status_line(status)
