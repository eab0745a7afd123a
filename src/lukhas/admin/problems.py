"""Errors of the admin plane, as problems (RFC 9457)."""

from starlette.responses import Response

from lukhas.http.problem import PROBLEM_JSON, PROBLEM_TYPE_PREFIX, JsonValue, Problem

__all__ = ("problem_answer",)


def problem_answer(
    status: int,
    slug: str,
    title: str,
    detail: str = "",
    headers: dict[str, str] | None = None,
    *,
    extensions: tuple[tuple[str, JsonValue], ...] = (),
) -> Response:
    """A problem (RFC 9457) as the answer of the admin plane."""
    problem = Problem(
        type=PROBLEM_TYPE_PREFIX + slug,
        title=title,
        status=status,
        detail=detail,
        extensions=extensions,
    )
    return Response(problem.to_json(), status, headers, media_type=PROBLEM_JSON.decode())
