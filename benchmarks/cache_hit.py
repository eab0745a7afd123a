"""A cache hit in process: our middleware beside the caches one would otherwise add to FastAPI."""

import asyncio
import contextlib
import json
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response

from benchmarks.apps import settings, with_other_routes
from benchmarks.asgi_load import ASGIApp, ask, caller
from benchmarks.measurement import Figure, Section, interleaved_us, pin

__all__ = ("run",)

_PATH = "/report"
_LOOPS = 100
_ROUNDS = 64
_OURS = "lukhas @cache, add_middleware"
_AROUND = "lukhas @cache, around the app"
_UNCACHED = "no cache"
_WITH_MODEL = "no cache, with a response model"
_NEVER_CACHED = frozenset((_UNCACHED, _WITH_MODEL))
# 1.8 KB as JSON.
_REPORT = {
    "id": 4711,
    "title": "Monthly report",
    "rows": [
        {
            "id": row,
            "name": f"product {row:03}",
            "sold": row * 37,
            "price": row + 0.25,
            "tags": tags,
        }
        for row, tags in enumerate([["new", "sale"], ["classic"]] * 10)
    ],
    "note": "x" * 240,
}

Endpoint = Callable[..., Awaitable[object]]
_Decorate = Callable[[Endpoint], Endpoint]


def _app(calls: Counter[str], name: str, decorate: _Decorate | None = None) -> FastAPI:
    async def report() -> dict[str, object]:
        calls[name] += 1
        return _REPORT

    app = with_other_routes()
    _add(app, decorate(report) if decorate else report)
    return app


def _add(app: FastAPI, endpoint: Endpoint) -> None:
    # As if it had no return annotation: without a response model.
    app.add_api_route(_PATH, endpoint, response_model=None)


def _uncached(calls: Counter[str], name: str, _folder: Path) -> ASGIApp:
    return _app(calls, name)


def _uncached_with_model(calls: Counter[str], name: str, _folder: Path) -> ASGIApp:
    async def report() -> dict[str, object]:
        calls[name] += 1
        return _REPORT

    app = with_other_routes()
    app.add_api_route(_PATH, report)
    return app


def _lukhas(calls: Counter[str], name: str, _folder: Path) -> ASGIApp:
    from lukhas.middleware import OptimizerMiddleware, cache

    app = _app(calls, name, cache(ttl_s=3600))
    app.add_middleware(OptimizerMiddleware, settings=settings())
    return app


def _lukhas_around(calls: Counter[str], name: str, _folder: Path) -> ASGIApp:
    from lukhas.middleware import OptimizerMiddleware, cache

    return OptimizerMiddleware(_app(calls, name, cache(ttl_s=3600)), settings=settings())


def _fastapi_cache2(calls: Counter[str], name: str, _folder: Path) -> ASGIApp:
    from fastapi_cache import FastAPICache
    from fastapi_cache.backends.inmemory import InMemoryBackend
    from fastapi_cache.decorator import cache

    FastAPICache.init(InMemoryBackend(), prefix="bench")
    decorate: _Decorate = cache(expire=3600)
    return _app(calls, name, decorate)


def _cashews(calls: Counter[str], name: str, _folder: Path) -> ASGIApp:
    from cashews import Cache

    cache = Cache()
    cache.setup("mem://")
    decorate: _Decorate = cache(ttl="1h", key="report")
    return _app(calls, name, decorate)


def _hishel(calls: Counter[str], name: str, folder: Path) -> ASGIApp:
    from hishel import AsyncSqliteStorage
    from hishel.asgi import ASGICacheMiddleware

    async def report(response: Response) -> dict[str, object]:
        calls[name] += 1
        response.headers["Cache-Control"] = "public, max-age=3600"
        return _REPORT

    app = with_other_routes()
    _add(app, report)
    storage = AsyncSqliteStorage(database_path=folder / "hishel.db")
    app.add_middleware(ASGICacheMiddleware, storage=storage)
    return app


_CASES: tuple[tuple[str, str, Callable[[Counter[str], str, Path], ASGIApp]], ...] = (
    (_OURS, "lukhas", _lukhas),
    (_AROUND, "lukhas", _lukhas_around),
    (_UNCACHED, "fastapi", _uncached),
    (_WITH_MODEL, "fastapi", _uncached_with_model),
    ("fastapi-cache2, memory", "fastapi_cache", _fastapi_cache2),
    ("cashews decorator, memory", "cashews", _cashews),
    ("hishel ASGI, sqlite", "hishel", _hishel),
)


def run() -> Section:
    """Runs the comparison."""
    size = len(json.dumps(_REPORT, separators=(",", ":")))
    section = Section(
        "Cache hit in process",
        f"{size} B JSON of a FastAPI app with 20 other routes, in-process ASGI calls, {_ROUNDS} "
        f"interleaved rounds of {_LOOPS} calls, medians of the whole request. Ours also identifies "
        "the caller and checks three limits. The endpoint has no response model, where FastAPI "
        "spends most on a response, and so the peers that cache below it. With add_middleware a "
        "request passes FastAPI's own outer layers too, some ten microseconds; around the app it "
        "does not. The bounds are held to the latter.",
    )
    pin(0)
    loop = asyncio.new_event_loop()
    calls: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="bench-cache-") as folder:
        made: dict[str, ASGIApp] = {}
        for name, module, make in _CASES:
            if find_spec(module) is None:
                section.skipped.append(f"{name}: {module} is not installed in this environment")
                continue
            try:
                made[name] = _checked(loop, make(calls, name, Path(folder)), name=name, calls=calls)
            except Exception as error:
                # A peer that breaks is told, not fatal.
                if name in {_OURS, _AROUND}:
                    raise
                section.skipped.append(f"{name}: {type(error).__name__}: {error}")
        cases = [(name, caller(loop, app, _PATH)) for name, app in made.items()]
        called = calls.copy()
        taken = interleaved_us(cases, loops=_LOOPS, rounds=_ROUNDS)
        for name in made:
            if name not in _NEVER_CACHED and calls[name] != called[name]:
                raise RuntimeError(f"{name} called the endpoint {calls[name]} times: no hits")
        with contextlib.suppress(RuntimeError):
            loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
    _tell(section, taken)
    return section


def _checked(
    loop: asyncio.AbstractEventLoop, app: ASGIApp, *, name: str, calls: Counter[str]
) -> ASGIApp:
    """Asks twice: the answer is right, and, but for the bare app, the second one a hit."""
    expected: Any = _REPORT
    for _ in range(2):
        answer = ask(loop, app, _PATH)
        if answer.status != 200 or json.loads(answer.body) != expected:
            raise RuntimeError(f"{name} answers {answer.status} {answer.body[:80]!r}")
    if name not in _NEVER_CACHED and calls[name] != 1:
        raise RuntimeError(f"{name} called the endpoint {calls[name]} times for two requests")
    return app


def _tell(section: Section, taken: dict[str, float]) -> None:
    ours = taken[_AROUND]
    for name, taken_us in taken.items():
        section.figures.append(
            Figure(
                name,
                (
                    ("us/request", round(taken_us, 1)),
                    ("against no cache us", round(taken_us - taken[_UNCACHED], 1)),
                    ("times ours, around", round(taken_us / ours, 1)),
                ),
                ours=name in {_OURS, _AROUND},
            )
        )
    section.at_most("a hit, around the app", taken[_AROUND], 15, " us")
    for name, taken_us in taken.items():
        if name not in {_OURS, _AROUND, *_NEVER_CACHED}:
            section.at_least(f"times cheaper than {name}", taken_us / ours, 25)
