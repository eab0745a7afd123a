"""The app that is measured, bare and with each middleware; `uvicorn --factory` can run them."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI

from benchmarks.asgi_load import ASGIApp

if TYPE_CHECKING:
    from lukhas.config.settings import Settings

__all__ = ("PATH", "bare", "ours", "settings", "slowapi_1", "slowapi_3", "with_other_routes")

PATH = "/items/7"
_QUOTAS = ("100000000/minute", "1000000000/hour", "2000000000/day")
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
