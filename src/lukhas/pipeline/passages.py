"""Requests that go on to the handler as one like them did, without an exchange.

The usual request to a wrapped app passes the gates, finds nothing in the cache, and gets an answer
with the fields of the last one, which nobody wants to store. Where the head is known, all that is
left to do for it is to charge its limits, to tell of them, and to take a sample. An exchange is
made when something else comes up, and is then as if it had been there all the time.
"""

from collections.abc import Callable

from lukhas.http.headers import HeaderPairs, Headers
from lukhas.http.messages import RequestHead
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.intake import Intake
from lukhas.pipeline.known_way import Charged, KnownWay, Passage, exchange_of
from lukhas.pipeline.stages.cache import CacheStage
from lukhas.pipeline.stages.cache_plain import UNSHARED, Onward
from lukhas.pipeline.stages.observe import PASSED, ObserveStage, sample_of
from lukhas.policy.modes import Mode

__all__ = ("Passages", "Passed")

_NEVER_NS = 1 << 62
_FIRST_ERROR = 400
# What is kept of an answer stays small.
_MOST_BYTES = 2048


class Passed:
    """One request on its way to the handler; it is counted as in flight until `finish`.

    It is filled by who makes it: arguments would cost as much as all of it.

    Attributes:
        observe: counts it.
        known: what is known of its head.
        passage: how one like it passed.
        head: its head.
        peer: the address of the other end of the connection.
        now_ns: when it arrived.
        request_id: its id.
        charged: what its limits were charged; None where none apply.
        added: the fields to add to the answer, if that is like the last one.
    """

    __slots__ = (
        "added",
        "charged",
        "head",
        "known",
        "now_ns",
        "observe",
        "passage",
        "peer",
        "request_id",
    )

    observe: ObserveStage
    known: KnownWay
    passage: Passage
    head: RequestHead
    peer: str
    now_ns: int
    request_id: bytes
    charged: Charged | None
    added: HeaderPairs

    def size_of(self, fields: HeaderPairs) -> int | None:
        """The size of the body of an answer with these fields; None if it is not like the last one.

        Fields with the same names may have other values: what is stored is told by the names.
        """
        passage = self.passage
        if [name for name, _value in fields] != passage.names:
            return None
        length = fields[passage.length_at][1]
        return int(length) if length.isdigit() else None

    def finish(self, body_bytes: int) -> None:
        """The answer, which was like the last one, is out: takes the sample."""
        observe = self.observe
        took_ns = observe.now_ns() - self.now_ns
        if took_ns >= observe.slow_ns:
            observe.ended(self.answered_exchange(), self.passage.status, body_bytes)
            return
        observe.recorder.in_flight -= 1
        labels, _size, _took_ns, consumer, agent = self.passage.sample
        observe.record((labels, body_bytes, took_ns, consumer, agent))

    def exchange(self) -> Exchange:
        """The exchange as it would be had it gone to the handler."""
        known, passage = self.known, self.passage
        decision = known.decision(self.charged, self.now_ns)
        exchange = exchange_of(self.head, self.peer, self.now_ns, self.request_id, known, decision)
        exchange.added = self.added[: len(self.added) - len(passage.added)]
        exchange.parks = True
        if passage.onward is UNSHARED:
            # None was drawn. The first one is shown: whatever was purged since is not stored.
            exchange.ticket = 0
        return exchange

    def answered_exchange(self) -> Exchange:
        """The exchange as it would be with an answer like the last one."""
        exchange = self.exchange()
        exchange.cache_result = self.passage.sample[0][6]
        exchange.verdicts += self.passage.verdicts
        exchange.added = self.added
        return exchange


class Passages:
    """Recognises requests that pass.

    Args:
        observe: counts requests.
        cache: the cache behind the gates; None where there is none.
        new_passed: makes what stands for a request.
    """

    __slots__ = ("_cache", "_new_passed", "_observe")

    def __init__(
        self, observe: ObserveStage, cache: CacheStage | None, new_passed: Callable[[], Passed]
    ) -> None:
        self._observe = observe
        self._cache = cache
        self._new_passed = new_passed

    def begin(  # noqa: PLR0917 - one call a request, and keywords cost
        self,
        passage: Passage,
        known: KnownWay,
        head: RequestHead,
        peer: str,
        now_ns: int,
        charged: Charged | None,
        intake: Intake,
    ) -> Passed | None:
        """A request on its way to the handler; None where it has to be looked at."""
        cache, plan = self._cache, known.plan
        if cache is not None:
            if now_ns >= passage.until_ns or cache.guard.quarantined:
                return None
            try:
                if passage.key is not None and cache.plain.get(passage.key) is not None:
                    return None
            except Exception:  # noqa: BLE001 - the cache stage meets it again, and is contained
                return None
        if plan is not None and charged is not None and plan.is_near(charged[1]):
            return None
        passed = self._new_passed()
        passed.request_id = request_id = known.kept_id or intake.new_id()
        added: HeaderPairs = [(b"x-request-id", request_id)]
        if plan is not None and charged is not None and known.is_told:
            added += (plan.policy_pair, (b"ratelimit", plan.limit_template % charged[1]))
        passed.added = added + passage.added
        passed.observe = observe = self._observe
        observe.recorder.in_flight += 1
        passed.known = known
        passed.passage = passage
        passed.head = head
        passed.peer = peer
        passed.now_ns = now_ns
        passed.charged = charged
        return passed

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
        key, until_ns = None, _NEVER_NS
        cache = self._cache
        if cache is not None:
            looked_up = exchange.head.looked_up
            if onward is UNSHARED and looked_up is not None and looked_up[2] is not None:
                key = looked_up[2]
                until_ns = cache.plain.uncacheable_until_ns(key)
            elif exchange.route is None or exchange.route.rule.cache.mode is not Mode.OFF:
                # It failed, and was contained.
                return None
        # See `PlainCache.is_left`.
        noted = 1 if onward is UNSHARED else 0
        length_at = names.index(b"content-length")
        body_bytes = int(fields[length_at][1])
        return Passage(
            onward,
            key,
            until_ns,
            status,
            fields,
            names,
            length_at,
            body_bytes,
            exchange.added[len(exchange.added) - noted :],
            tuple(exchange.verdicts[len(exchange.verdicts) - noted :]),
            sample_of(exchange, status, body_bytes, 0, PASSED),
        )
