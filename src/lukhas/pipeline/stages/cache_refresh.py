"""Asking the origin in the background, while the client already has its answer."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeAlias, cast

from lukhas.clock import Clock
from lukhas.errors import HandlerError
from lukhas.http.cache_control import NO_DIRECTIVES
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline import driving
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import discard
from lukhas.pipeline.stages.cache_bodies import read_out
from lukhas.pipeline.stages.cache_fetch import CacheFetcher
from lukhas.pipeline.stages.cache_flights import FlightEnd, Flights
from lukhas.pipeline.stages.cache_keeping import CacheKeeper, made_entry
from lukhas.pipeline.stages.cache_question import Fetch, forwarded
from lukhas.pipeline.stages.cache_sharing import SharedFetches
from lukhas.policy.caching.cache_status import Forward
from lukhas.policy.caching.freshness import Timing
from lukhas.policy.caching.storability import decide_storing
from lukhas.storage.entries import EntryStore, StoredResponse
from lukhas.units import MILLISECOND_NS, SECOND_NS

__all__ = ("CacheRefresher", "Job")

_log = logging.getLogger(__name__)

Job: TypeAlias = Coroutine[Any, Any, None]
"""What runs in the background."""

_CLIENTS_OWN = frozenset(
    (
        b"cache-control",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"pragma",
        b"range",
    )
)
# After a background fetch that failed, so long passes before the next one of the same key.
_PAUSE_NS = SECOND_NS
# And where another process is at it, before we look for what it brought.
_OTHERS_PAUSE_NS = 20 * MILLISECOND_NS
_MAX_PAUSES = 4096
# How many background fetches there are at once; beyond that, stale responses are just served.
_MAX_RUNNING = 256


class CacheRefresher:
    """Begins background fetches, one for each key at a time.

    A handler that parks, as that of a wrapped app does, cannot be called without a client; then
    nothing runs in the background, and `works` says so.

    Args:
        store: the entries.
        clock: the time.
        fetcher: asks the origin.
        keeper: shows the leak guard what came.
        flights: the fetches on their way; requests that must wait, wait for a refresh as well.
        begin: starts a job; a task of the running loop if None.

    Attributes:
        works: whether it can do anything.
        sharing: keeps several processes from refreshing the same; None where one serves alone.
    """

    def __init__(
        self,
        store: EntryStore,
        clock: Clock,
        *,
        fetcher: CacheFetcher,
        keeper: CacheKeeper,
        flights: Flights,
        begin: "Callable[[Job], object] | None" = None,
    ) -> None:
        self._store = store
        self._now_ns = clock.now_ns
        self._fetcher = fetcher
        self._keeper = keeper
        self._flights = flights
        self._begin = begin or self._task
        self._tasks: set[asyncio.Task[None]] = set()
        self._checked: set[object] = set()
        self._pauses: dict[object, int] = {}
        self.works = True
        self.sharing: SharedFetches | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    def refresh(self, asked: Fetch, entry: StoredResponse) -> bool:
        """Begins to confirm or replace a stored response, unless that is under way already.

        Args:
            asked: the question that the client would have to wait for.
            entry: the response.

        Returns:
            Whether the response will be taken care of; if not, somebody has to wait for it.
        """
        if asked.exchange.parks or not self.works:
            return False
        if self._now_ns() < self._pauses.get(entry.key, 0) or len(self._tasks) >= _MAX_RUNNING:
            return True
        if self.sharing is not None and self.sharing.renewed(entry):
            return True
        fetch = self._own(asked, entry)
        if self._fetcher.join(fetch) is None:
            self._begin(self._refreshed(fetch))
        return True

    def verify(self, asked: Fetch, entry: StoredResponse) -> bool:
        """Begins to compare a shared response with what its present client would get.

        Returns:
            Whether that can be done in the background.
        """
        if asked.exchange.parks or not self.works:
            return False
        if entry.guard_key not in self._checked and len(self._tasks) < _MAX_RUNNING:
            self._checked.add(entry.guard_key)
            self._begin(self._verified(self._own(asked, entry), entry))
        return True

    async def close(self) -> None:
        """Ends what is under way."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:  # Without any it needs no loop either.
            await asyncio.gather(*tasks, return_exceptions=True)

    def _task(self, job: Job) -> None:
        task = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _own(self, asked: Fetch, entry: StoredResponse) -> Fetch:
        """The same question, without what only concerns the client that waits."""
        exchange, request = asked.exchange, asked.request
        head = exchange.head
        method = "GET" if head.method == "HEAD" else head.method
        headers = head.headers.without(_CLIENTS_OWN)
        body = cast("object", exchange.body)
        own = Exchange(
            RequestHead(method, head.scheme, head.authority, head.path, head.query, headers),
            exchange.peer,
            self._now_ns(),
            exchange.request_id,
            cast("AsyncIterator[bytes]", body) if isinstance(body, bytes) else None,
        )
        own.client, own.consumer, own.route = exchange.client, exchange.consumer, exchange.route
        own.upstream = exchange.upstream
        return Fetch(
            own,
            asked.call_next,
            asked.policy,
            replace(
                request, headers=headers, directives=NO_DIRECTIVES, conditional=False, ranged=False
            ),
            reason=Forward.STALE,
            ticket=self._store.ticket(),
            requested_ns=own.now_ns,
            entry=entry,
            source=asked.source,
        )

    async def _refreshed(self, fetch: Fetch) -> None:
        entry, flight = fetch.entry, fetch.flight
        pause_ns = _PAUSE_NS
        try:
            if not await self._leads(fetch):
                pause_ns = _OTHERS_PAUSE_NS
                return
            # The age of the answer counts from when the question is really put.
            fetch.requested_ns = self._now_ns()
            response = await self._completed(self._fetcher.fetch(fetch))
            if response is not None:
                await self._read_out(fetch, response)
        except HandlerError as error:
            _log.debug("a background refresh failed: %s", error)
        except Exception:  # noqa: BLE001 - nobody waits for it, and the next one may succeed
            _log.exception("a background refresh failed")
        finally:
            self._flights.end(flight, FlightEnd.ABANDONED)
            if entry is not None and entry in (self._store.get(entry.key) or ()):
                if len(self._pauses) >= _MAX_PAUSES:
                    self._pauses.clear()
                self._pauses[entry.key] = self._now_ns() + pause_ns

    async def _read_out(self, fetch: Fetch, response: Response) -> None:
        """Reads what is to be stored; what was only confirmed is there already."""
        if fetch.exchange.cache_result == "revalidated":
            discard(response)
        else:
            await read_out(response, self._keeper.largest_bytes(fetch.policy))

    async def _leads(self, fetch: Fetch) -> bool:
        """Whether no other process is at it."""
        sharing, flight = self.sharing, fetch.flight
        return sharing is None or flight is None or await sharing.leads(fetch, flight)

    async def _verified(self, fetch: Fetch, entry: StoredResponse) -> None:
        """Asks twice: whether the client's own body changes tells a leak from mere change."""
        try:
            for _ in range(2):
                if not await self._observed(fetch):
                    return
                if not entry.watched or not self._keeper.is_watched(fetch, entry):
                    return
        except HandlerError as error:
            _log.debug("a shared response could not be compared: %s", error)
        except Exception:  # noqa: BLE001 - nobody waits for it
            _log.exception("a shared response could not be compared")
        finally:
            self._checked.discard(entry.guard_key)

    async def _observed(self, fetch: Fetch) -> bool:
        fetch.requested_ns = self._now_ns()
        response = await self._completed(forwarded(fetch, None))
        if response is None:
            return False
        policy = fetch.policy
        body = await read_out(
            response, self._keeper.largest_bytes(policy), held_bytes=policy.max_body_bytes
        )
        if body is None:
            return False
        timing = Timing(fetch.requested_ns, self._now_ns())
        terms = decide_storing(
            fetch.request, response.status, response.headers, policy=fetch.policy, timing=timing
        ).terms
        if terms is None or not (terms.for_credentials and terms.for_cookies):
            return False
        made = made_entry(fetch, response, body, terms=terms, responded_ns=timing.responded_ns)
        if made is None or fetch.entry is None or made.guard_key != fetch.entry.guard_key:
            return False
        self._keeper.observe(fetch, made)
        return True

    async def _completed(self, run: driving.Run) -> Response | None:
        done = await driving.complete(run)
        if isinstance(done, driving.Parked):
            self.works = False
            run.close()
            return None
        return done
