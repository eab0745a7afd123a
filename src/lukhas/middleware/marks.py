"""Marks: what a single route asks for, as a decorator or inside `Depends`.

A mark does nothing itself. The middleware finds it on the route (see `discovery`) and enforces it
before the app runs, so handlers stay as they are: sync or async, with any arguments, in any order
with other decorators.
"""

import inspect
import re
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any, Final, TypeVar, overload

from starlette.requests import HTTPConnection

from lukhas.errors import ConfigError
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.costs import Cost, parse_cost
from lukhas.policy.rate_limiting.dimensions import Dimension, parse_dimension
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.policies import CostFunction, LimitFunction

__all__ = (
    "EXCHANGE_KEY",
    "CacheMark",
    "ExemptMark",
    "LimitMark",
    "Mark",
    "cache",
    "exempt",
    "limit",
    "marks_of",
)

EXCHANGE_KEY: Final = "lukhas.exchange"
"""Where the middleware leaves the exchange in the ASGI scope; None where it made none."""

_ATTRIBUTE = "__lukhas_marks__"
# These names stand inside quotes in response fields.
_is_name = re.compile(r"[A-Za-z0-9_.:-]{1,64}").fullmatch

_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])


async def _require_middleware(connection: HTTPConnection) -> None:
    if EXCHANGE_KEY not in connection.scope:
        raise ConfigError(
            "a route asks for a limit or for caching, but nothing enforces it",
            where=connection.scope.get("path", ""),
            hint="add the middleware: app.add_middleware(OptimizerMiddleware)",
        )


class Mark:
    """What a route asks for; use it as a decorator of the endpoint or as `Depends(mark)`.

    As a dependency it only checks that the middleware is there.
    """

    def __init__(self) -> None:
        # FastAPI reads both to learn how to call a dependency: with the connection, and that the
        # answer is awaited instead of called in a thread.
        self.__wrapped__ = _require_middleware
        self.__signature__ = inspect.signature(_require_middleware)

    @overload
    def __call__(self, endpoint: _Endpoint, /) -> _Endpoint: ...

    @overload
    def __call__(
        self, endpoint: None = None, /, *, connection: HTTPConnection
    ) -> Coroutine[Any, Any, None]: ...

    def __call__(
        self,
        endpoint: _Endpoint | None = None,
        /,
        *,
        connection: HTTPConnection | None = None,
    ) -> _Endpoint | Coroutine[Any, Any, None]:
        """Marks an endpoint and returns it unchanged; or acts as a dependency.

        Raises:
            ConfigError: the endpoint cannot be marked.
        """
        if connection is not None:
            return _require_middleware(connection)
        if endpoint is None:
            raise ConfigError(f"{self!r} was called", hint="write it without () after it")
        if not callable(endpoint):
            raise ConfigError(
                f"{endpoint!r} cannot be marked",
                hint="put the mark on a function or a class, with @ or inside Depends",
            )
        # A wrapper may have hidden the function that was registered as the route's endpoint.
        for target in _layers(endpoint):
            try:
                setattr(target, _ATTRIBUTE, (self, *getattr(target, _ATTRIBUTE, ())))
            except (AttributeError, TypeError):
                raise ConfigError(
                    f"{target!r} cannot be marked", hint="write a function around it"
                ) from None
        return endpoint


class LimitMark(Mark):
    """Limits for a route. See `limit`."""

    def __init__(
        self,
        text: str | LimitFunction,
        *,
        name: str | None,
        by: Dimension,
        mode: Mode,
        cost: int | str | CostFunction,
    ) -> None:
        super().__init__()
        if not isinstance(text, str) and not callable(text):
            raise ConfigError(
                f"{text!r} is no limit", where="limit()", hint='write it like "60/minute"'
            )
        self.text = text
        self.name = name
        self.by = by
        self.mode = mode
        self.cost = Cost() if callable(cost) else parse_cost(cost)
        self.cost_for = cost if callable(cost) else None
        if isinstance(text, str):
            parse_limits(text, policy=name or "limit")

    def __repr__(self) -> str:
        return f"limit({self.text!r})"


class CacheMark(Mark):
    """Caching for a route. See `cache`."""

    def __init__(
        self, *, ttl_s: int, private: bool, mode: Mode, max_body_bytes: int | None
    ) -> None:
        super().__init__()
        self.ttl_s = ttl_s
        self.private = private
        self.mode = mode
        self.max_body_bytes = max_body_bytes

    def __repr__(self) -> str:
        return f"cache(ttl_s={self.ttl_s}, private={self.private})"


class ExemptMark(Mark):
    """No limits for a route. See `exempt`."""

    def __repr__(self) -> str:
        return "exempt"


def limit(
    text: str | LimitFunction,
    *,
    name: str | None = None,
    by: Dimension | str = Dimension.CONSUMER,
    mode: Mode | str = Mode.ENFORCE,
    cost: int | str | CostFunction = 1,
) -> LimitMark:
    """Limits a route, on top of the limits of the consumer's tier.

    Args:
        text: one or more limits, like `"5/minute"` or `"5/minute; 100/day"`; or a function that is
            given each request and returns such a text, or None for no limit.
        name: what clients and operators see; made from the endpoint's name if not given.
        by: what it is counted by: `"consumer"`, `"address"`, `"header:x-device"`, `"tenant"` and so
            on; see `lukhas.policy.rate_limiting.dimensions`.
        mode: `"enforce"`, `"shadow"` or `"off"`.
        cost: what a request is charged: a number, `"response-kib"`, `"cpu-ms"`, `"messages"` and
            so on (see `lukhas.policy.rate_limiting.costs`), or a function of the request.

    Raises:
        ConfigError: an argument cannot be read.
    """
    if name is not None and _is_name(name) is None:
        raise ConfigError(
            f"{name!r} cannot be the name of a limit",
            hint="use 1 to 64 letters, digits, and . _ : -",
        )
    return LimitMark(
        text,
        name=name,
        by=by if isinstance(by, Dimension) else parse_dimension(by),
        mode=_member(Mode, mode, "mode"),
        cost=cost,
    )


def cache(
    ttl_s: int | None = None,
    *,
    ttl: int | None = None,
    private: bool = False,
    mode: Mode | str = Mode.ENFORCE,
    max_body_bytes: int | None = None,
) -> CacheMark:
    """Caches the answers of a route to GET and HEAD that do not say themselves how long they live.

    Args:
        ttl_s: for how many seconds; 30 if not given.
        ttl: the same, under its short name.
        private: each consumer gets entries of its own; then answers to requests with credentials
            may be stored for that consumer.
        mode: `"enforce"`, `"shadow"` or `"off"`.
        max_body_bytes: the largest body stored; as the settings say if not given.

    Raises:
        ConfigError: an argument is out of range, or both names of the TTL are given.
    """
    if ttl_s is not None and ttl is not None:
        raise ConfigError("both ttl_s and ttl are given", where="cache()", hint="keep one of them")
    for name, value in (("ttl_s", ttl_s), ("ttl", ttl), ("max_body_bytes", max_body_bytes)):
        if callable(value):
            raise ConfigError(f"{value!r} is no {name}", hint="write @cache() with parentheses")
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise ConfigError(f"{name} is {value!r}", where="cache()", hint="give a whole number")
    lifetime_s = ttl_s if ttl_s is not None else ttl if ttl is not None else 30
    mark = CacheMark(
        ttl_s=lifetime_s,
        private=private,
        mode=_member(Mode, mode, "mode"),
        max_body_bytes=max_body_bytes,
    )
    CachePolicy(name="cache()", default_ttl_s=lifetime_s, max_body_bytes=max_body_bytes or 0)
    return mark


exempt: Final = ExemptMark()
"""Takes all limits off a route, those of the tiers too."""


def marks_of(endpoint: object) -> tuple[Mark, ...]:
    """The marks put on an endpoint as decorators, outermost first, each once."""
    found: dict[Mark, None] = {}
    for layer in _layers(endpoint):
        for mark in getattr(layer, _ATTRIBUTE, ()):
            found.setdefault(mark)
    return tuple(found)


def _layers(endpoint: object) -> Iterator[object]:
    """A callable and everything it is known to wrap."""
    seen: set[int] = set()
    layer: object | None = endpoint
    while layer is not None and id(layer) not in seen:
        seen.add(id(layer))
        if inspect.ismethod(layer):
            layer = layer.__func__
            continue
        yield layer
        layer = layer.func if isinstance(layer, partial) else getattr(layer, "__wrapped__", None)


_Member = TypeVar("_Member", bound=Mode)


def _member(kind: type[_Member], value: _Member | str, argument: str) -> _Member:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(repr(member.value) for member in kind)
        raise ConfigError(f"{argument} is {value!r}", hint=f"use one of {known}") from None
