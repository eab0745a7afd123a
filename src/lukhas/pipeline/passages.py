"""Requests that go on to the handler as one like them did, without an exchange.

The usual request to a wrapped app passes the gates, finds nothing in the cache, and gets an answer
with the fields of the last one, which nobody wants to store. Where the head is known, all that is
left to do for it is to charge its limits, to tell of them, and to take a sample. An exchange is
made when something else comes up, and is then as if it had been there all the time.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from lukhas.http.headers import HeaderPairs, Headers
from lukhas.http.messages import RequestHead
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.known_way import Charged, KnownWay, Passage, exchange_of
from lukhas.pipeline.stages.cache import CacheStage
from lukhas.pipeline.stages.cache_plain import UNSHARED, Onward
from lukhas.pipeline.stages.observe import PASSED, ObserveStage, sample_of
from lukhas.policy.caching.keys import CacheKey
from lukhas.policy.modes import Mode

__all__ = ("UNKNOWN", "NewPassed", "Passages", "Passed")

NewPassed: TypeAlias = Callable[
    [KnownWay, Passage, RequestHead, str, int, bytes, Charged], "Passed"
]
"""Makes what stands for a request that passes; see `Passed`."""

UNKNOWN: Final = -1
"""Stands for the size of a body before the head of its answer."""

_NEVER_NS = 1 << 62
_FIRST_ERROR = 400
# What is kept of an answer stays small.
_MOST_BYTES = 2048


class Passed:
    """One request on its way to the handler; it is counted as in flight until `finish`.

    Args:
        known: what is known of its head.
        passage: how one like it passed.
        head: its head.
        peer: the address of the other end of the connection.
        now_ns: when it arrived.
        request_id: its id.
        charged: what its limits were charged.

    Attributes:
        passage: as given.
        added: the fields to add to the answer, if that is like the last one.
        body_bytes: what the head of the answer says of its body; below 0 where that is not known.
        is_open: whether some of the answer may still be to come.
    """

    __slots__ = (
        "_charged",
        "_head",
        "_known",
        "_now_ns",
        "_peer",
        "_request_id",
        "added",
        "body_bytes",
        "is_open",
        "passage",
    )

    def __init__(  # noqa: PLR0917 - one call a request, and keywords cost
        self,
        known: KnownWay,
        passage: Passage,
        head: RequestHead,
        peer: str,
        now_ns: int,
        request_id: bytes,
        charged: Charged,
    ) -> None:
        self._known = known
        self.passage = passage
        self._head = head
        self._peer = peer
        self._now_ns = now_ns
        self._request_id = request_id
        self._charged = charged
        self.is_open = True
        self.body_bytes = UNKNOWN
        plan = known.plan
        if plan is not None and known.is_told:
            limit_field = (b"ratelimit", plan.limit_template % charged[2])
            added = [(b"x-request-id", request_id), plan.policy_pair, limit_field]
            self.added = added + passage.added
        else:
            self.added = [(b"x-request-id", request_id), *passage.added]
        passage.observe.recorder.in_flight += 1

    def is_like(self, status: int, fields: HeaderPairs) -> bool:
        """Whether the head of an answer is like the last one, so that `added` goes out with it.

        Fields with the same names may have other values: the names tell that nothing is stored.
        """
        passage = self.passage
        if status != passage.status:
            return False
        if fields == passage.fields:
            self.body_bytes = passage.body_bytes
            return True
        if [name for name, _value in fields] != passage.names:
            return False
        length = fields[passage.length_at][1]
        if not length.isdigit():
            return False
        self.body_bytes = int(length)
        return True

    def finish(self) -> None:
        """All of an answer like the last one is out: takes the sample."""
        self.is_open = False
        passage = self.passage
        observe = passage.observe
        took_ns = observe.now_ns() - self._now_ns
        if took_ns >= observe.slow_ns:
            observe.ended(self.answered_exchange(), passage.status, self.body_bytes)
            return
        observe.recorder.in_flight -= 1
        observe.record((passage.labels, self.body_bytes, took_ns, passage.consumer, passage.agent))

    def exchange(self) -> Exchange:
        """The exchange as it would be had it gone to the handler, which has sent nothing yet."""
        exchange = self._admitted()
        if self.passage.onward is UNSHARED:
            # None was drawn. An older one is shown: what was purged since that is not stored. The
            # next one with this head draws its own, in case the answers can be stored from now on.
            exchange.ticket = self.passage.ticket
            self._known.passage = None
        return exchange

    def answered_exchange(self) -> Exchange:
        """The exchange as it would be with an answer like the last one."""
        exchange = self._admitted()
        exchange.cache_result = self.passage.labels[6]
        exchange.verdicts += self.passage.verdicts
        exchange.added = self.added
        return exchange

    def _admitted(self) -> Exchange:
        exchange = exchange_of(
            self._head, self._peer, self._now_ns, self._request_id, self._known, self._charged
        )
        exchange.parks = True
        return exchange


class Passages:
    """Keeps how requests pass.

    Args:
        observe: counts requests.
        cache: the cache behind the gates; None where there is none.
    """

    __slots__ = ("_cache", "_observe")

    def __init__(self, observe: ObserveStage, cache: CacheStage | None) -> None:
        self._observe = observe
        self._cache = cache

    def passage(
        self, exchange: Exchange, onward: Onward, status: int, headers: Headers
    ) -> Passage | None:
        """How an exchange passed whose answer goes out as it is; None if the next one may not.

        Args:
            exchange: behind `ShortWay.headed`, and of the caller whose way is known.
            onward: how it passed the cache.
            status: that of the answer.
            headers: those of the answer; names in lower case.
        """
        fields = list(headers.raw)
        names = [name for name, _value in fields]
        if (
            status >= _FIRST_ERROR
            or exchange.body is not None
            or names.count(b"content-length") != 1
            or sum([len(name) + len(value) for name, value in fields]) > _MOST_BYTES
        ):
            return None
        seen = self._seen(exchange, onward)
        if seen is None:
            return None
        key, until_ns, ticket = seen
        # See `PlainCache.is_left`.
        noted = 1 if onward is UNSHARED else 0
        length_at = names.index(b"content-length")
        body_bytes = int(fields[length_at][1])
        labels, _size, _took_ns, consumer, agent = sample_of(
            exchange, status, body_bytes, 0, PASSED
        )
        return Passage(
            self._observe,
            onward,
            key,
            until_ns,
            ticket,
            status,
            fields,
            names,
            length_at,
            body_bytes,
            exchange.added[len(exchange.added) - noted :],
            tuple(exchange.verdicts[len(exchange.verdicts) - noted :]),
            labels,
            consumer,
            agent,
        )

    def _seen(self, exchange: Exchange, onward: Onward) -> tuple[CacheKey | None, int, int] | None:
        """What the cache found nothing for, until when that is known, and its ticket.

        Returns:
            None where the cache failed, and was contained.
        """
        cache, looked_up = self._cache, exchange.head.looked_up
        if cache is None:
            return None, _NEVER_NS, 0
        if onward is UNSHARED and looked_up is not None and looked_up[2] is not None:
            key = looked_up[2]
            return key, cache.plain.uncacheable_until_ns(key), exchange.ticket
        if exchange.route is None or exchange.route.rule.cache.mode is not Mode.OFF:
            return None
        return None, _NEVER_NS, 0
