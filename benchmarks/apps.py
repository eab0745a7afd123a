"""The app that is measured, bare and with each middleware; `uvicorn --factory` can run them."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI

from benchmarks.asgi_load import ASGIApp

if TYPE_CHECKING:
    from lukhas.config.settings import Settings

__all__ = (
    "PATH",
    "bare",
    "fastapi_limiter_1",
    "fastapi_limiter_3",
    "ours",
    "settings",
    "slowapi_1",
    "slowapi_3",
    "with_other_routes",
)

PATH = "/items/7"
_QUOTAS = ("100000000/minute", "1000000000/hour", "2000000000/day")
_WINDOWS_S = (60, 3600, 86_400)
_OTHER_ROUTES = 20


def with_other_routes() -> FastAPI:
    """An app with twenty routes that are not asked for."""
    app = FastAPI(openapi_url=None)

    def other(number: int) -> Callable[[str], object]:
        async def endpoint(name: str) -> dict[str, object]:
            return {"name": name, "number": number}

        # Some peers tell routes apart by the name of the function.
        endpoint.__name__ = f"other_{number}"
        return endpoint

    for number in range(_OTHER_ROUTES):
        app.add_api_route(f"/other{number}/{{name}}", other(number))
    return app


async def _item(number: int) -> dict[str, object]:
    return {"id": number, "name": "widget", "tags": ["a", "b"], "price": 9.5}


def bare() -> FastAPI:
    """Without any middleware."""
    app = with_other_routes()
    app.add_api_route("/items/{number}", _item)
    return app


def ours() -> ASGIApp:
    """With our middleware as it comes; the quotas of the tier are out of reach."""
    from lukhas.middleware import OptimizerMiddleware

    app = bare()
    app.add_middleware(OptimizerMiddleware, settings=settings())
    return app


def settings() -> "Settings":
    """Our defaults, but for quotas out of reach and no keys of this machine."""
    from lukhas.config.consumers import TierSettings
    from lukhas.config.settings import Settings

    # Nothing is there, and nothing is made there: an app's own process only looks.
    nowhere = Path(tempfile.gettempdir()) / "lukhas-bench-without-keys"
    return Settings(tiers=TierSettings(free="; ".join(_QUOTAS)), state_dir=nowhere)


def _slowapi(limits: list[str]) -> ASGIApp:
    from slowapi import Limiter
    from slowapi.middleware import SlowAPIASGIMiddleware
    from slowapi.util import get_remote_address

    app = bare()
    app.state.limiter = Limiter(
        key_func=get_remote_address,
        default_limits=list(limits),
        headers_enabled=True,
        storage_uri="memory://",
    )
    app.add_middleware(SlowAPIASGIMiddleware)
    return app


def slowapi_1() -> ASGIApp:
    """With slowapi's ASGI middleware and one limit."""
    return _slowapi(list(_QUOTAS[:1]))


def slowapi_3() -> ASGIApp:
    """With slowapi's ASGI middleware and three limits."""
    return _slowapi(list(_QUOTAS))


def _fastapi_limiter(quotas: tuple[int, ...]) -> ASGIApp:
    from fastapi_limiter.depends import RateLimiter
    from pyrate_limiter import (
        GCRA,
        BucketFactory,
        Limiter,
        MonotonicClock,
        Rate,
        RateItem,
        StateBucket,
    )

    rates = [
        Rate(quota, window_s * 1000) for quota, window_s in zip(quotas, _WINDOWS_S, strict=False)
    ]
    now_ms = MonotonicClock().now

    class BucketPerKey(BucketFactory):  # type: ignore[misc]  # not installed where we check
        def __init__(self) -> None:
            self._buckets: dict[str, object] = {}

        def wrap_item(self, name: str, weight: int = 1) -> object:
            return RateItem(name, now_ms(), weight)

        def get(self, item: object) -> object:
            name = item.name  # type: ignore[attr-defined]  # a RateItem
            found = self._buckets.get(name)
            if found is None:
                found = self._buckets[name] = StateBucket(rates, GCRA())
            return found

    app = with_other_routes()
    limited = Depends(RateLimiter(limiter=Limiter(BucketPerKey())))
    app.add_api_route("/items/{number}", _item, dependencies=[limited])
    return app


def fastapi_limiter_1() -> ASGIApp:
    """With fastapi-limiter, one limit, one bucket a client, no fields."""
    return _fastapi_limiter((100_000_000,))


def fastapi_limiter_3() -> ASGIApp:
    """With fastapi-limiter, three limits, one bucket a client, no fields."""
    return _fastapi_limiter((100_000_000, 1_000_000_000, 2_000_000_000))
