"""The limiter on Redis: three windows in each check, beside limits and pyrate-limiter."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from benchmarks.measurement import Figure, Section

if TYPE_CHECKING:
    from lukhas.testing.redis_server import RedisServer

__all__ = ("run",)

_CALLERS = 32
_SERIAL = 1_000
_EACH = 150
_ROUNDS = 4
_HUNG = 1_000
_DEADLINE_S = 0.025
_PATIENT_S = 5.0
_QUOTAS = (10_000_000, 100_000_000, 1_000_000_000)

Check = Callable[[str], Awaitable[object]]


@asynccontextmanager
async def _ours(url: str, *, deadline_s: float = _PATIENT_S) -> AsyncIterator[Check]:
    from lukhas.policy.rate_limiting.limit_syntax import parse_limits
    from lukhas.policy.rate_limiting.plans import plan_for
    from lukhas.policy.rate_limiting.policies import OnStoreError
    from lukhas.policy.rate_limiting.tiers import Tier
    from lukhas.storage.guarded_counters import GuardedRemoteCounters
    from lukhas.storage.redis_counters import RedisCounterStore
    from lukhas.storage.redis_link import RedisLink
    from lukhas.storage.redis_settings import settings_from_url

    limits = parse_limits("{}/minute; {}/hour; {}/day".format(*_QUOTAS), policy="free")
    plan = plan_for(Tier.FREE, limits, (), route="d", on_store_error=OnStoreError.LOCAL)
    async with RedisLink(replace(settings_from_url(url), deadline_s=deadline_s)) as link:
        store = GuardedRemoteCounters(RedisCounterStore(link), shares=1)

        async def check(key: str) -> object:
            return await store.decide(plan, (key,), time.time_ns(), 1)

        yield check


@asynccontextmanager
async def _incr(url: str) -> AsyncIterator[Check]:
    from redis.asyncio import Redis

    async with Redis(unix_socket_path=url.removeprefix("unix://"), protocol=3) as client:
        yield client.incr


@asynccontextmanager
async def _own_incr(url: str) -> AsyncIterator[Check]:
    from lukhas.storage.redis_link import RedisLink
    from lukhas.storage.redis_settings import settings_from_url

    async with RedisLink(replace(settings_from_url(url), deadline_s=_PATIENT_S)) as link:

        async def check(key: str) -> object:
            return await link.call("INCR", key)

        yield check


@asynccontextmanager
async def _limits(url: str, strategy: str) -> AsyncIterator[Check]:
    from limits import RateLimitItemPerDay, RateLimitItemPerHour, RateLimitItemPerMinute
    from limits.aio import strategies
    from limits.storage import storage_from_string

    path = url.removeprefix("unix://")
    storage = storage_from_string(f"async+redis+unix://{path}", implementation="redispy")
    hit = getattr(strategies, strategy)(storage).hit
    items = (
        RateLimitItemPerMinute(_QUOTAS[0]),
        RateLimitItemPerHour(_QUOTAS[1]),
        RateLimitItemPerDay(_QUOTAS[2]),
    )

    async def check(key: str) -> object:
        return [await hit(item, key) for item in items]

    yield check


_CASES: dict[str, tuple[str, Callable[[str], AbstractAsyncContextManager[Check]]]] = {
    "lukhas, 3 windows": ("lukhas", _ours),
    "INCR through lukhas' link": ("lukhas", _own_incr),
    "INCR through redis-py": ("redis", _incr),
    "limits fixed window, 3 windows": (
        "limits", lambda url: _limits(url, "FixedWindowRateLimiter"),
    ),
    "limits sliding window, 3 windows": (
        "limits", lambda url: _limits(url, "SlidingWindowCounterRateLimiter"),
    ),
}  # fmt: skip


def run() -> Section:
    """Runs the comparison."""
    section = Section(
        "Limiter on Redis",
        "A server of its own on a Unix socket, one process that asks on uvloop. `p50 us`: one "
        f"check after the other, {_SERIAL} in each of {_ROUNDS} turns. `k/s`: {_CALLERS} callers "
        "at once, each with its own key. The cases take turns; the best turn is told, for other "
        "load only takes away. limits asks once for each window. `waited`: so many checks of "
        f"a lone caller waited for the deadline of {_DEADLINE_S * 1000:g} ms.",
    )
    import uvloop

    uvloop.run(_compare(section))
    return section


async def _compare(section: Section) -> None:
    from lukhas.testing.redis_server import RedisServer

    missing = {package for package, _ in _CASES.values() if find_spec(package) is None}
    section.skipped += [f"{name}: not installed in this environment" for name in sorted(missing)]
    cases = {name: make for name, (package, make) in _CASES.items() if package not in missing}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    with RedisServer() as server:
        for _ in range(_ROUNDS):
            for name, make in cases.items():
                async with make(server.socket_url) as check:
                    taken[name].append((await _serial_us(check), await _rate(check)))
        waited, hung_us = await _hung(server)
    best = {
        name: (min(us for us, _ in turns), max(rate for _, rate in turns))
        for name, turns in taken.items()
    }
    for name, (serial_us, rate) in best.items():
        values = (("p50 us", round(serial_us, 1)), ("k/s", round(rate / 1000, 1)))
        section.figures.append(Figure(name, values, ours=name.startswith("lukhas")))
    hung = (("p50 us", round(hung_us, 1)), ("waited", waited))
    section.figures.append(Figure("lukhas, server hung", hung, ours=True))
    ours_us, ours_rate = best["lukhas, 3 windows"]
    section.at_least("checks/s with 32 callers", ours_rate, 25_000)
    section.at_most("checks that wait for a deadline, server hung", waited, 1)
    section.at_most("added a request afterwards, server hung", hung_us, 20, " us")
    if "INCR through redis-py" in best:
        section.at_most(
            "p50 over that of a bare INCR", ours_us / best["INCR through redis-py"][0], 1.4
        )
    peer = best.get("limits fixed window, 3 windows")
    if peer is not None:
        section.at_least("times the checks/s of limits", ours_rate / peer[1], 6)


async def _serial_us(check: Check) -> float:
    taken = []
    for _ in range(_SERIAL):
        begun_ns = time.perf_counter_ns()
        await check("serial")
        taken.append(time.perf_counter_ns() - begun_ns)
    return statistics.median(taken) / 1000


async def _rate(check: Check) -> float:
    async def caller(number: int) -> None:
        for _ in range(_EACH):
            await check(f"caller-{number}")

    begun_s = time.perf_counter()
    await asyncio.gather(*[caller(number) for number in range(_CALLERS)])
    return _CALLERS * _EACH / (time.perf_counter() - begun_s)


async def _hung(server: "RedisServer") -> tuple[int, float]:
    """How many checks of a lone caller wait when the server hangs, and what others take then."""
    waited = 0
    async with _ours(server.socket_url, deadline_s=_DEADLINE_S) as check:
        await check("hung")
        server.pause()
        try:
            taken = []
            for _ in range(_HUNG):
                begun_ns = time.perf_counter_ns()
                await check("hung")
                took_ns = time.perf_counter_ns() - begun_ns
                if took_ns > _DEADLINE_S / 2 * 1e9:
                    waited += 1
                else:
                    taken.append(took_ns)
        finally:
            server.resume()
    return waited, statistics.median(taken) / 1000


if __name__ == "__main__":
    from benchmarks.report import text

    print(text(run()))
