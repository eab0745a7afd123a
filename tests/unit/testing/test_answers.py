"""What a request of a test was answered with."""

import pytest

from lukhas.http.headers import Headers
from lukhas.testing.answers import Answer


def test_fields_are_found_in_any_case() -> None:
    """Several are joined; what is not there is None."""
    answer = Answer(200, Headers([(b"vary", b"a"), (b"vary", b"b")]), b'{"a": 1}')
    assert answer.header("Vary") == "a, b"
    assert answer.header("etag") is None


def test_the_body_is_read_as_json() -> None:
    """Or it is no JSON, which is a mistake of the test."""
    assert Answer(200, Headers([]), b'{"a": 1}').json() == {"a": 1}
    with pytest.raises(ValueError, match="Expecting value"):
        Answer(200, Headers([])).json()
