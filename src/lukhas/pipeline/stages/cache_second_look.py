"""A second look at a stored response before it serves: it may have to be renewed, or be watched."""

from collections.abc import Callable

from lukhas.pipeline.stages.cache_question import Fetch, principal_of
from lukhas.pipeline.stages.cache_refresh import CacheRefresher
from lukhas.policy.caching.leak_guard import LeakGuard
from lukhas.policy.caching.lookup import Reuse
from lukhas.policy.caching.refresh import refreshes_early
from lukhas.storage.entries import StoredResponse

__all__ = ("SecondLook",)


class SecondLook:
    """Begins what is to be done in the background, and says what that leaves for the client.

    Args:
        guard: watches what is shared.
        refresher: asks the origin in the background.
        draw: gives random numbers from 0 to 1, 1 not included.
    """

    def __init__(
        self, guard: LeakGuard, refresher: CacheRefresher, draw: Callable[[], float]
    ) -> None:
        self._guard = guard
        self._refresher = refresher
        self._draw = draw

    def __call__(self, fetch: Fetch, entry: StoredResponse, use: Reuse, now_ns: int) -> Reuse:
        """What to do with a response that may serve.

        Args:
            fetch: the question that would be put to the origin instead.
            entry: the response.
            use: why it may serve.
            now_ns: Unix time.
        """
        if entry.watched and self._must_ask(fetch, entry):
            return Reuse.UNSURE
        if use is Reuse.STALE_REFRESHED:
            return use if self._refresher.refresh(fetch, entry) else Reuse.STALE
        if (
            use is Reuse.FRESH
            and now_ns >= entry.plain_until_ns
            and refreshes_early(entry.terms, now_ns=now_ns, draw=1.0 - self._draw())
        ):
            self._refresher.refresh(fetch, entry)
        return use

    def _must_ask(self, fetch: Fetch, entry: StoredResponse) -> bool:
        """Whether it is not safe to serve a watched response to this client."""
        if self._guard.is_known(entry.guard_key):
            entry.settle()
            return False
        if self._guard.is_suspect(entry.guard_key):
            return True
        if principal_of(fetch.exchange, fetch.policy) == entry.filled_by:
            return False
        return not self._refresher.verify(fetch, entry)
