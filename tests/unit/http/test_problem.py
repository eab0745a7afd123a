"""Problem details."""

import json

import pytest

from lukhas.http.problem import PROBLEM_JSON, PROBLEM_TYPE_PREFIX, Problem


def test_all_members_in_order() -> None:
    """Standard members first, then the extensions as given (RFC 9457 section 3)."""
    problem = Problem(
        type=PROBLEM_TYPE_PREFIX + "rate-limited",
        title="Too many requests",
        status=429,
        detail="Try again in 3 s",
        instance="urn:request:1",
        extensions=(("policy", "per-ip"), ("violated-policies", ["a", "b"]), ("retry_s", 3)),
    )
    assert problem.to_json() == (
        b'{"type":"urn:lukhas:problem:rate-limited","title":"Too many requests","status":429,'
        b'"detail":"Try again in 3 s","instance":"urn:request:1","policy":"per-ip",'
        b'"violated-policies":["a","b"],"retry_s":3}'
    )


def test_empty_members_are_left_out() -> None:
    """Detail and instance are optional (RFC 9457 section 3.1)."""
    problem = Problem(type="urn:x:y", title="T", status=400)
    assert json.loads(problem.to_json()) == {"type": "urn:x:y", "title": "T", "status": 400}


def test_text_is_escaped_to_ascii() -> None:
    """Any text passes, also half a surrogate pair."""
    problem = Problem(type="urn:x:y", title='é"\n\ud800', status=400)
    body = problem.to_json()
    assert body.isascii()
    assert json.loads(body)["title"] == 'é"\n\ud800'


@pytest.mark.parametrize("name", ["type", "title", "status", "detail", "instance"])
def test_extension_may_not_replace_a_standard_member(name: str) -> None:
    """An extension with such a name would contradict the problem."""
    with pytest.raises(ValueError, match=name):
        Problem(type="urn:x:y", title="T", status=400, extensions=(("ok", 1), (name, "x")))


def test_infinite_numbers_are_refused() -> None:
    """JSON has no infinity (RFC 8259 section 6)."""
    problem = Problem(type="u:x", title="T", status=400, extensions=(("n", float("inf")),))
    with pytest.raises(ValueError, match="JSON compliant"):
        problem.to_json()


def test_media_type() -> None:
    """The registered media type (RFC 9457 section 3)."""
    assert PROBLEM_JSON == b"application/problem+json"
