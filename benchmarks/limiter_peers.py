"""The limiters for Python that ours is compared with: three windows each, counters in memory."""

from collections.abc import Callable

__all__ = ("MODULES", "PEERS", "Check", "Quotas")

Quotas = tuple[int, int, int]
Check = Callable[[str], bool]

MODULES = (
    ("aiolimiter", "aiolimiter"),
    ("limits", "limits"),
    ("pyrate-limiter", "pyrate_limiter"),
    ("throttled-py", "throttled"),
)
"""Name of the distribution, and of the module that shows whether it is installed."""

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_ROOM = 10_000_000


def _limits(strategy: str, quotas: Quotas) -> Check:
    from limits import RateLimitItemPerDay, RateLimitItemPerHour, RateLimitItemPerMinute, strategies
    from limits.storage import MemoryStorage

    hit = getattr(strategies, strategy)(MemoryStorage()).hit
    minute = RateLimitItemPerMinute(quotas[0])
    hour = RateLimitItemPerHour(quotas[1])
    day = RateLimitItemPerDay(quotas[2])

    def check(key: str) -> bool:
        return bool(hit(minute, key) and hit(hour, key) and hit(day, key))

    return check


def _pyrate(algorithm: str, quotas: Quotas) -> Check:
    import pyrate_limiter as pyrate

    windows_s = (_MINUTE_S, _HOUR_S, _DAY_S)
    rates = [
        pyrate.Rate(quota, window_s * 1000)
        for quota, window_s in zip(quotas, windows_s, strict=True)
    ]
    now_ms = pyrate.MonotonicClock().now

    def bucket() -> object:
        if algorithm == "GCRA":
            return pyrate.StateBucket(rates, pyrate.GCRA())
        return pyrate.InMemoryBucket(rates)

    class BucketPerKey(pyrate.BucketFactory):  # type: ignore[misc]  # not installed where we check
        def __init__(self) -> None:
            self._buckets: dict[str, object] = {}

        def wrap_item(self, name: str, weight: int = 1) -> object:
            return pyrate.RateItem(name, now_ms(), weight)

        def get(self, item: object) -> object:
            name = item.name  # type: ignore[attr-defined]  # a RateItem
            found = self._buckets.get(name)
            if found is None:
                found = self._buckets[name] = bucket()
            return found

    acquire = pyrate.Limiter(BucketPerKey()).try_acquire

    def check(key: str) -> bool:
        return bool(acquire(key, blocking=False))

    return check


def _throttled(algorithm: str, quotas: Quotas) -> Check:
    from throttled import MemoryStore, Throttled, rate_limiter

    store = MemoryStore(options={"MAX_SIZE": _ROOM})
    makers = (rate_limiter.per_min, rate_limiter.per_hour, rate_limiter.per_day)
    limits = [
        Throttled(
            using=algorithm,
            quota=make(quota, burst=quota),
            store=store,
            key_prefix=f"window-{index}",
        ).limit
        for index, (make, quota) in enumerate(zip(makers, quotas, strict=True))
    ]
    minute, hour, day = limits

    def check(key: str) -> bool:
        return not (minute(key).limited or hour(key).limited or day(key).limited)

    return check


def _aiolimiter(quotas: Quotas) -> Check:
    from aiolimiter import AsyncLimiter

    windows_s = (_MINUTE_S, _HOUR_S, _DAY_S)
    kept: dict[str, tuple[object, ...]] = {}

    def check(key: str) -> bool:
        limiters = kept.get(key)
        if limiters is None:
            limiters = kept[key] = tuple(map(AsyncLimiter, quotas, windows_s))
        for limiter in limiters:
            if not limiter.has_capacity():  # type: ignore[attr-defined]  # not installed here
                return False
            waiting = limiter.acquire()  # type: ignore[attr-defined]
            try:
                waiting.send(None)
            except StopIteration:
                continue
            waiting.close()
            return False
        return True

    return check


PEERS: dict[str, Callable[[Quotas], Check]] = {
    "limits fixed window": lambda quotas: _limits("FixedWindowRateLimiter", quotas),
    "limits sliding window": lambda quotas: _limits("SlidingWindowCounterRateLimiter", quotas),
    "limits moving window": lambda quotas: _limits("MovingWindowRateLimiter", quotas),
    "pyrate-limiter GCRA": lambda quotas: _pyrate("GCRA", quotas),
    "pyrate-limiter log": lambda quotas: _pyrate("log", quotas),
    "throttled-py GCRA": lambda quotas: _throttled("gcra", quotas),
    "throttled-py token bucket": lambda quotas: _throttled("token_bucket", quotas),
    "aiolimiter": _aiolimiter,
}
