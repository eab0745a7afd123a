"""Refusals a person can read: problem+json (RFC 9457)."""

from lukhas.http.headers import HeaderPairs, Headers
from lukhas.http.messages import Response
from lukhas.http.problem import PROBLEM_JSON, JsonValue, Problem
from lukhas.pipeline.exchange import Exchange

__all__ = ("problem_response", "refusal")


def refusal(
    exchange: Exchange,
    *,
    status: int,
    slug: str,
    title: str,
    detail: str,
    extensions: tuple[tuple[str, JsonValue], ...] = (),
    headers: HeaderPairs | None = None,
) -> Response:
    """A problem answer to this exchange.

    Args:
        exchange: the exchange refused; its id becomes the problem's instance.
        status: the status code.
        slug: the stable last part of the problem type.
        title: a short summary, the same for every occurrence.
        detail: what happened here and what to do.
        extensions: further members of the problem object.
        headers: further header fields of the response.
    """
    return problem_response(
        Problem(
            type=slug if ":" in slug else f"urn:lukhas:problem:{slug}",
            title=title,
            status=status,
            detail=detail,
            instance=f"urn:lukhas:request:{exchange.request_id.decode('latin-1')}",
            extensions=extensions,
        ),
        headers,
    )


def problem_response(problem: Problem, headers: HeaderPairs | None = None) -> Response:
    """The problem as a whole response; never stored by a cache."""
    body = problem.to_json()
    return Response(
        problem.status,
        Headers(
            [
                (b"content-type", PROBLEM_JSON),
                (b"content-length", b"%d" % len(body)),
                (b"cache-control", b"no-store"),
                *(headers or ()),
            ]
        ),
        body,
    )
