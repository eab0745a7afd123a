"""Requests that the cache does not answer, and what they make invalid (RFC 9111 section 4.4)."""

from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler
from lukhas.pipeline.stages.cache_keeping import CacheKeeper
from lukhas.pipeline.stages.cache_posts import kept_for_get
from lukhas.policy.caching.cache_status import CacheStatus, Forward
from lukhas.policy.caching.invalidation import SAFE_METHODS, invalidated_resources
from lukhas.policy.caching.keys import resource_key
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.purges import Purge
from lukhas.policy.caching.query_rules import plain_query
from lukhas.policy.caching.tags import invalidated_groups
from lukhas.policy.modes import Mode
from lukhas.policy.verdicts import Outcome, Verdict
from lukhas.storage.entries import EntryStore

__all__ = ("ChangingRequests",)

_METHOD = Verdict("cache", Outcome.SKIPPED, "the method is not cached")


class ChangingRequests:
    """Passes requests on, and removes what those that succeed have changed.

    Args:
        store: the entries.
        keeper: stores answers to POST that serve later GETs.
        status: writes Cache-Status.
    """

    def __init__(self, store: EntryStore, keeper: CacheKeeper, status: CacheStatus) -> None:
        self._store = store
        self._keeper = keeper
        self._method_field = (b"cache-status", status.forwarded(Forward.METHOD))

    async def __call__(
        self, exchange: Exchange, call_next: Handler, policy: CachePolicy
    ) -> Response:
        """Passes a request of another method than GET and HEAD on."""
        head = exchange.head
        if policy.mode is Mode.ENFORCE:
            exchange.cache_result = "bypass"
            exchange.verdicts.append(_METHOD)
            exchange.added.append(self._method_field)
        ticket = self._store.ticket()
        response = await call_next(exchange)
        if head.method in SAFE_METHODS:
            return response
        is_current = self._store.admits(resource_key(head), ticket)
        self._invalidate(exchange, response, policy)
        if head.method == "POST" and policy.post_for_get and is_current:
            fetch = kept_for_get(
                exchange, response, policy, call_next=call_next, ticket=self._store.ticket()
            )
            if fetch is not None:
                self._keeper.keep(fetch, response)
        return response

    def _invalidate(self, exchange: Exchange, response: Response, policy: CachePolicy) -> None:
        head = exchange.head
        purge = self._store.purge
        for resource in invalidated_resources(head, response.status, response.headers):
            purge(Purge(resource=resource))
            plain = plain_query(resource[3], policy.query)
            if plain != resource[3]:
                purge(Purge(resource=(*resource[:3], plain)))
        for group in invalidated_groups(head.method, response.status, response.headers):
            purge(Purge(scheme=head.scheme, authority=head.authority, tag=group))
