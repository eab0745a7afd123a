"""The gateway's handler for an upstream of several targets: chooses one, and tries again."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

from lukhas.clock import Clock
from lukhas.errors import UpstreamBusyError, UpstreamConnectError, UpstreamError
from lukhas.gateway.hedging import LOST, raced
from lukhas.gateway.target_selection import Target, TargetSelection
from lukhas.gateway.upstream_lane import UpstreamLane
from lukhas.http.messages import Response
from lukhas.pipeline.driving import enter_task
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
        self._breaker = breaker
        self._state = CLOSED
        self._on_retry = on_retry
        self._on_hedge = on_hedge
        self._hedges = hedges
        self._tail = None if hedges is None else LatencyTail(hedges.percentile)
        share = 0.0 if hedges is None else hedges.share
        self._hedge_budget = RetryBudget(RetrySettings(share=share, least_a_second=0))

    async def __call__(self, exchange: Exchange) -> Response:
        """See `Handler`.

        Raises:
            UpstreamError: no target could answer.
            UpstreamBusyError: so it was a moment ago, and none was asked.
            BodyAbortedError: the client's body did not arrive.
        """
        breaker = self._breaker
        if breaker is None:
            return await self._asked(exchange)
        self._state, passes = ask(self._state, breaker, self._clock.now_ns())
        if not passes:
            what = "it failed again and again, and is left alone for a moment"
            raise UpstreamBusyError(self._name, what, sent=False)
        try:
            response = await self._asked(exchange)
        except UpstreamBusyError:
            raise
        except UpstreamError:
            self._state = failed(self._state, breaker, self._clock.now_ns())
            raise
        after = failed if response.status in _GATEWAY_FAULTS else succeeded
        self._state = after(self._state, breaker, self._clock.now_ns())
        return response

    def _asked(self, exchange: Exchange) -> Coroutine[Any, Any, Response]:
        self._budget.requested()
        hedges, tail = self._hedges, self._tail
        if (
            hedges is None
            or tail is None
            or len(self._selection.targets) == 1
            or not may_hedge(exchange.head.method, has_body=exchange.body is not None)
        ):
            return self._tried(exchange, [])
        self._hedge_budget.requested()
        if not tail.late_ns:
            return self._tried(exchange, [])
        return self._hedged(exchange, max(tail.late_ns, hedges.least_ns))

    async def _hedged(self, exchange: Exchange, late_ns: int) -> Response:
        await enter_task()
        tried: list[Target] = []
        return await raced(
            lambda: self._tried(exchange, tried),
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

    async def _tried(self, exchange: Exchange, tried: list[Target]) -> Response:
        """Asks one target after the other.

        Args:
            exchange: the request.
            tried: which were asked already; grows.
        """
        sticky = b"" if self._sticky is None else self._sticky(exchange)
        lane = self._lane
        is_prior = lane is not None and lane.holds(exchange)
        while True:
            now_ns = self._clock.now_ns()
            target = self._selection.choose(now_ns, sticky=sticky, tried=tried, is_prior=is_prior)
            if target is None:
                raise UpstreamConnectError(self._name, "it has no target", sent=False)
            if lane is not None and (choice := lane.tally.take_last()) is not None:
                exchange.verdicts.append(choice)
            if target in tried:
                await self._pause(len(tried))
            tried.append(target)
            try:
                response = await self._attempt(target, exchange)
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

    async def _attempt(self, target: Target, exchange: Exchange) -> Response:
        load = target.candidate.load
        load.began()
        began_ns = self._clock.now_ns()
        try:
            response = await target.forward(exchange)
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
