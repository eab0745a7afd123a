"""Marks on endpoints."""

import inspect
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from lukhas.errors import ConfigError, LimitSyntaxError
from lukhas.middleware.marks import (
    EXCHANGE_KEY,
    CacheMark,
    LimitMark,
    cache,
    exempt,
    limit,
    marks_of,
)
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.dimensions import Dimension


@pytest.mark.parametrize("mark", [limit("1/minute"), cache(5), exempt], ids=repr)
def test_a_mark_returns_the_very_function(mark: Any) -> None:
    """Marking changes nothing about what is called."""

    def endpoint(name: str) -> str:
        return name

    assert mark(endpoint) is endpoint
    assert marks_of(endpoint) == (mark,)


def test_marks_are_kept_outermost_first() -> None:
    """Several marks on one endpoint are all found, each once."""
    first, second = limit("1/minute"), cache(5)

    @first
    @second
    @second
    def endpoint() -> None: ...

    assert marks_of(endpoint) == (first, second)


def test_a_mark_looks_like_a_dependency_on_the_connection() -> None:
    """Dependency injection calls it with the connection, and nothing else."""
    signature = inspect.signature(limit("1/minute"))
    assert [one.annotation for one in signature.parameters.values()] == [HTTPConnection]


async def test_as_a_dependency_of_a_websocket_a_mark_only_checks() -> None:
    """That the middleware is there, as for a request."""
    connection = HTTPConnection({"type": "websocket", "headers": [], EXCHANGE_KEY: object()})
    await exempt(connection=connection)
    with pytest.raises(ConfigError, match="nothing enforces it"):
        await exempt(connection=HTTPConnection({"type": "websocket", "headers": []}))


def test_arguments_of_limit() -> None:
    """Names and members are both understood."""
    mark = limit("5/minute", name="a.b", by="address", mode=Mode.SHADOW)
    assert isinstance(mark, LimitMark)
    assert (mark.by, mark.mode, mark.name) == (Dimension.ADDRESS, Mode.SHADOW, "a.b")


def test_arguments_of_cache() -> None:
    """The TTL has two names and a default."""
    marks = [cache(), cache(5), cache(ttl=6), cache(0)]
    assert [mark.ttl_s for mark in marks] == [30, 5, 6, 0]
    assert all(isinstance(mark, CacheMark) for mark in marks)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: limit("often"), "often"),
        (lambda: limit("1/minute", name='a"b'), "name"),
        (lambda: limit("1/minute", by="moon"), "use one of consumer"),
        (lambda: limit("1/minute", mode="maybe"), "'shadow'"),
        (lambda: cache(1, ttl=2), "both"),
        (lambda: cache(-1), "-1"),
        (lambda: cache(len), r"write @cache\(\) with parentheses"),  # type: ignore[arg-type]
        (lambda: cache("30"), "ttl_s is '30'"),  # type: ignore[arg-type]
        (lambda: cache(ttl=1.5), "ttl is 1.5"),  # type: ignore[arg-type]
        (lambda: cache(ttl=True), "ttl is True"),
        (lambda: cache(max_body_bytes="1MiB"), "max_body_bytes is '1MiB'"),  # type: ignore[arg-type]
        (lambda: limit(5), "5 is no limit: write it like"),  # type: ignore[arg-type]
        (exempt, r"exempt was called: write it without \(\)"),
        (lambda: limit("1/minute")("text"), "text"),  # type: ignore[call-overload]
        (lambda: limit("1/minute")(len), "len"),
    ],
)
def test_wrong_use_is_refused_at_once(make: Any, message: str) -> None:
    """Mistakes show where the mark is written, not at the first request."""
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_wrong_limit_is_a_syntax_error() -> None:
    """The error tells that the limit itself cannot be read."""
    with pytest.raises(LimitSyntaxError):
        limit("5/fortnight")
