"""Refusals: problem+json (RFC 9457)."""

import json

import pytest

from lukhas.http.problem import PROBLEM_JSON, Problem
from lukhas.pipeline.refusals import problem_response, refusal
from tests.unit.pipeline.kit import exchange


def test_a_problem_is_a_whole_response() -> None:
    """Its length is known, and no cache stores it."""
    problem = Problem(type="urn:x", title="No", status=418, detail="Not é today")
    response = problem_response(problem)
    assert response.status == 418
    assert response.body == problem.to_json()
    assert response.headers.raw == [
        (b"content-type", PROBLEM_JSON),
        (b"content-length", b"%d" % len(problem.to_json())),
        (b"cache-control", b"no-store"),
    ]
    assert (response.ready_head, response.taps, response.on_close) == (None, None, None)


def test_further_fields_come_last() -> None:
    """As they are given."""
    problem = Problem(type="urn:x", title="No", status=401)
    response = problem_response(problem, [(b"www-authenticate", b"Bearer"), (b"x", b"1")])
    assert response.headers.raw[3:] == [(b"www-authenticate", b"Bearer"), (b"x", b"1")]


@pytest.mark.parametrize(
    ("slug", "expected"),
    [("rate-limited", "urn:lukhas:problem:rate-limited"), ("https://x.test/p", "https://x.test/p")],
)
def test_a_refusal_names_its_kind_and_the_request(slug: str, expected: str) -> None:
    """A bare slug is one of our own types; a URI stays one."""
    response = refusal(
        exchange(),
        status=429,
        slug=slug,
        title="Too much",
        detail="Wait.",
        extensions=(("wait_s", 3), ("names", ["a"])),
        headers=[(b"retry-after", b"3")],
    )
    assert json.loads(response.body) == {  # type: ignore[arg-type]
        "type": expected,
        "title": "Too much",
        "status": 429,
        "detail": "Wait.",
        "instance": "urn:lukhas:request:id-1",
        "wait_s": 3,
        "names": ["a"],
    }
    assert response.status == 429
    assert response.headers.get(b"retry-after") == b"3"
