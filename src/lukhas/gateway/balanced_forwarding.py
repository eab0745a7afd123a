"""The gateway's handler for an upstream of several targets: chooses one, and tries again."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, cast

from lukhas.clock import Clock
from lukhas.errors import UpstreamBusyError, UpstreamConnectError, UpstreamError
from lukhas.gateway.direct_call import Answer, DirectCall
from lukhas.gateway.hedging import LOST, raced
from lukhas.gateway.target_selection import Target, TargetSelection
from lukhas.gateway.upstream_lane import UpstreamLane
from lukhas.http.messages import Response
from lukhas.pipeline.driving import Run, enter_task
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import discard
from lukhas.policy.breaker import CLOSED, BreakerSettings, ask, failed, succeeded
from lukhas.policy.resilience.hedging import HedgeSettings, LatencyTail, may_hedge
from lukhas.policy.resilience.retries import RetryBudget, RetrySettings, backoff_ns, may_retry
from lukhas.policy.verdicts import Outcome, Verdict
from lukhas.units import SECOND_NS

__all__ = ("BalancedForwarding",)

_GATEWAY_FAULTS = frozenset((502, 503, 504))


class BalancedForwarding:
    """Forwards each exchange to a target, and to another one if it failed and that is safe.

    A request is sent again if none of it was sent, or if it may be sent twice (RFC 9110 section
    9.2.2) and its body, if any, is still whole; never more often, and never by more of all
    requests, than `retries` allows. The first retry goes to another target at once; where there is
    none left that was not tried, it waits for a random while.

    How long one try may take is set by the timeouts of the connections.

    Args:
        name: of the upstream, for errors.
        selection: its targets. All must put the same prefix before paths.
        clock: where time comes from.
        draw: gives a random number from 0 to 1, 1 not included.
        retries: how much is tried again.
        hedges: what is sent twice where the answer is late; None for nothing.
        sticky: what binds the caller of an exchange to a target; empty for nothing.
        lane: tells whose requests are in the priority lane; None where there is none.
        breaker: when the whole upstream is left alone, as all its targets fail; None for never.
        on_retry: told of each retry.
        on_hedge: told of each request that is sent twice.
    """

    def __init__(
        self,
        name: str,
        selection: TargetSelection,
        *,
        clock: Clock,
        draw: Callable[[], float],
        retries: RetrySettings | None = None,
        hedges: HedgeSettings | None = None,
        sticky: Callable[[Exchange], bytes] | None = None,
        lane: UpstreamLane | None = None,
        breaker: BreakerSettings | None = None,
        on_retry: Callable[[], None] | None = None,
        on_hedge: Callable[[], None] | None = None,
    ) -> None:
        self._name = name
        self._selection = selection
        self._clock = clock
        self._draw = draw
        self._retries = RetrySettings() if retries is None else retries
        self._budget = RetryBudget(self._retries)
        self._sticky = sticky
        self._lane = lane
        self._guard = None if breaker is None else _Guard(breaker, clock)
        self._on_retry = on_retry
        self._on_hedge = on_hedge
        self._hedges = hedges
        self._tail = None if hedges is None else LatencyTail(hedges.percentile)
        share = 0.0 if hedges is None else hedges.share
        self._hedge_budget = RetryBudget(RetrySettings(share=share, least_a_second=0))

    def __call__(self, exchange: Exchange) -> Coroutine[Any, Any, Response]:
        """See `Handler`; where a target is asked at once, what is given is a `DirectCall`.

        Raises:
            UpstreamError: no target could answer.
            UpstreamBusyError: so it was a moment ago, and none was asked.
            BodyAbortedError: the client's body did not arrive.
        """
        guard = self._guard
        if guard is None:
            return self._asked(exchange)
        if not guard.lets_pass():
            return self._left_alone()
        asked = self._asked(exchange)
        if type(asked) is DirectCall:
            asked.layers += (guard,)
            return asked
        return guard.around(exchange, asked)

    async def _left_alone(self) -> Response:
        what = "it failed again and again, and is left alone for a moment"
        raise UpstreamBusyError(self._name, what, sent=False)

    def _asked(self, exchange: Exchange) -> Coroutine[Any, Any, Response]:
        self._budget.requested()
        hedges, tail = self._hedges, self._tail
        if (
            hedges is None
            or tail is None
            or len(self._selection.targets) == 1
            or not may_hedge(exchange.head.method, has_body=exchange.body is not None)
        ):
            return self._begun(exchange)
        self._hedge_budget.requested()
        if not tail.late_ns:
            return self._begun(exchange)
        return self._hedged(exchange, max(tail.late_ns, hedges.least_ns))

    def _begun(self, exchange: Exchange) -> Coroutine[Any, Any, Response]:
        """Asks a target, at once if that can be; and others if it does not answer."""
        target = self._chosen(exchange, [])
        if target is None:
            return self.tried(exchange, [])
        answer = target.forward(exchange)
        if type(answer) is DirectCall:
            answer.layers += (_Attempt(self, target, self._begin(target)),)
            return answer
        return self.tried(exchange, [], _Begun(target, answer))

    def _begin(self, target: Target) -> int:
        """A request goes to a target; gives when."""
        target.candidate.load.began()
        return self._clock.now_ns()

    async def _hedged(self, exchange: Exchange, late_ns: int) -> Response:
        await enter_task()
        tried: list[Target] = []
        return await raced(
            lambda: self.tried(exchange, tried),
            late_s=late_ns / SECOND_NS,
            may_begin=self._may_hedge,
            is_good=lambda response: response.status not in _GATEWAY_FAULTS,
        )

    def _may_hedge(self) -> bool:
        if not self._hedge_budget.take(self._clock.now_ns()):
            return False
        if self._on_hedge is not None:
            self._on_hedge()
        return True

    def _chosen(self, exchange: Exchange, tried: list[Target]) -> Target | None:
        """The target that is to be asked next; None if there is none."""
        sticky = b"" if self._sticky is None else self._sticky(exchange)
        lane = self._lane
        is_prior = lane is not None and lane.holds(exchange)
        now_ns = self._clock.now_ns()
        target = self._selection.choose(now_ns, sticky=sticky, tried=tried, is_prior=is_prior)
        if target is None:
            return None
        if lane is not None and (choice := lane.tally.take_last()) is not None:
            exchange.verdicts.append(choice)
        return target

    async def tried(
        self, exchange: Exchange, tried: list[Target], begun: "_Begun | None" = None
    ) -> Response:
        """Asks one target after the other.

        Args:
            exchange: the request.
            tried: which were asked already; grows.
            begun: what has begun already.
        """
        while True:
            if begun is None:
                target = self._chosen(exchange, tried)
                if target is None:
                    raise UpstreamConnectError(self._name, "it has no target", sent=False)
                if target in tried:
                    await self._pause(len(tried))
                begun = _Begun(target, target.forward(exchange))
            under_way, begun = begun, None
            target = under_way.target
            tried.append(target)
            try:
                response = await self._attempt(exchange, under_way)
            except UpstreamError as error:
                if not self._tries_again(exchange, len(tried), was_sent=error.sent):
                    raise
                continue
            if response.status not in self._retries.statuses or not self._tries_again(
                exchange, len(tried), was_sent=True
            ):
                if len(tried) > 1:
                    exchange.verdicts.append(self._answered(target, response.status, len(tried)))
                return response
            facts = (("target", target.candidate.key), ("status", response.status))
            reason = "an answer that is not taken: asked again"
            exchange.verdicts.append(
                Verdict("upstream", Outcome.FAILED, reason, self._name, facts=facts)
            )
            discard(response)

    def _answered(self, target: Target, status: int, tries: int) -> Verdict:
        facts = (("target", target.candidate.key), ("status", status), ("tries", tries))
        reason = "answered when asked again"
        return Verdict("upstream", Outcome.PASSED, reason, self._name, facts=facts)

    async def _attempt(self, exchange: Exchange, begun: "_Begun") -> Response:
        target = begun.target
        load = target.candidate.load
        began_ns = self._begin(target) if begun.began_ns is None else begun.began_ns
        try:
            response = await begun.answer
        except BaseException as error:
            if isinstance(error, UpstreamError):
                facts = (("target", target.candidate.key), ("kind", error.kind))
                exchange.verdicts.append(
                    Verdict("upstream", Outcome.FAILED, error.what, self._name, facts=facts)
                )
            # That all our own connections are in use says nothing about the target.
            if isinstance(error, UpstreamError) and not isinstance(error, UpstreamBusyError):
                self._selection.failed(target, began_ns, self._clock.now_ns())
            elif LOST in error.args:
                # It would have taken longer still: that much is known of the target.
                now_ns = self._clock.now_ns()
                load.answered(now_ns - began_ns, now_ns)
            else:
                load.ended()
            raise
        now_ns = self._clock.now_ns()
        if self._tail is not None:
            self._tail.answered(now_ns - began_ns)
        self._selection.answered(target, response, began_ns, now_ns)
        return response

    def takes(self, target: Target, status: int, began_ns: int) -> bool:
        """Whether a whole answer of a target is taken as it is; it is counted then."""
        if status in self._retries.statuses:
            return False
        now_ns = self._clock.now_ns()
        if self._tail is not None:
            self._tail.answered(now_ns - began_ns)
        self._selection.answered_whole(target, status, began_ns, now_ns)
        return True

    def _tries_again(self, exchange: Exchange, tries: int, *, was_sent: bool) -> bool:
        """Whether to send it once more; takes that from the budget."""
        body_is_gone = was_sent and not isinstance(cast("Any", exchange.body), bytes | None)
        if (
            tries >= self._retries.tries
            or not may_retry(exchange.head.method, was_sent=was_sent, body_is_gone=body_is_gone)
            or not self._budget.take(self._clock.now_ns())
        ):
            return False
        if self._on_retry is not None:
            self._on_retry()
        return True

    async def _pause(self, retry: int) -> None:
        await enter_task()
        await asyncio.sleep(backoff_ns(self._retries, retry, self._draw()) / SECOND_NS)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A request to a target that has begun, or is about to.

    Attributes:
        target: the target.
        answer: what comes of it.
        began_ns: when it began; None if it is about to.
    """

    target: Target
    answer: Awaitable[Response]
    began_ns: int | None = None


class _Guard:
    """The breaker of an upstream, around all that is tried for a request; see `Layer`."""

    def __init__(self, settings: BreakerSettings, clock: Clock) -> None:
        self._settings = settings
        self._now_ns = clock.now_ns
        self._state = CLOSED

    def lets_pass(self) -> bool:
        """Whether a request may go to the upstream."""
        self._state, passes = ask(self._state, self._settings, self._now_ns())
        return passes

    def passes(self, _exchange: Exchange, answer: Answer, _body: bytes) -> bool:
        """See `Layer`."""
        after = failed if answer.status in _GATEWAY_FAULTS else succeeded
        self._state = after(self._state, self._settings, self._now_ns())
        return True

    async def around(self, exchange: Exchange, inner: Awaitable[Response]) -> Response:
        """See `Layer`."""
        try:
            response = await inner
        except UpstreamBusyError:
            raise
        except UpstreamError:
            self._state = failed(self._state, self._settings, self._now_ns())
            raise
        self.passes(exchange, response, b"")
        return response


class _Attempt:
    """The request to one target, as a layer; see `Layer`."""

    __slots__ = ("_began_ns", "_forwarding", "_target")

    def __init__(self, forwarding: BalancedForwarding, target: Target, began_ns: int) -> None:
        self._forwarding = forwarding
        self._target = target
        self._began_ns = began_ns

    def passes(self, _exchange: Exchange, answer: Answer, _body: bytes) -> bool:
        """See `Layer`."""
        return self._forwarding.takes(self._target, answer.status, self._began_ns)

    def around(self, exchange: Exchange, inner: Awaitable[Response]) -> Run:
        """See `Layer`."""
        return self._forwarding.tried(exchange, [], _Begun(self._target, inner, self._began_ns))
