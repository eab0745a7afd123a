"""The observe stage."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from lukhas.errors import (
    BodyAbortedError,
    HandlerError,
    UpstreamConnectError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
)
from lukhas.http.headers import Headers
from lukhas.http.messages import Pushed, RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stages.observe import CLIENT_GONE, ObserveStage, ReportedObserveStage
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.decisions import LimitDecision, Violation
from lukhas.policy.rate_limiting.limit_syntax import parse_limit
from lukhas.policy.rate_limiting.plans import LimitPlan
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.routes import RouteMatch, RouteRule
from lukhas.policy.verdicts import Outcome, Verdict
from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.recorder import Recorder


class ManualClock:
    def __init__(self) -> None:
        self.time_ns = 1_000_000

    def now_ns(self) -> int:
        return self.time_ns


class Observed:
    """A stage with what belongs to it, and one exchange."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.recorder = Recorder()
        self.stage = ObserveStage(self.recorder, self.clock)
        head = RequestHead("GET", "http", b"api.test", b"/orders/1", b"", Headers([]))
        self.exchange = Exchange(head, "192.0.2.1", self.clock.time_ns, b"id-1")

    def known(self) -> None:
        """What the stages below would have found out."""
        rule = RouteRule("orders", "/orders/{id}", CachePolicy(name="default"))
        self.exchange.route = RouteMatch(rule)
        self.exchange.consumer = Consumer("key:a", Tier.PREMIUM)
        self.exchange.cache_result = "hit"

    async def run(self, outcome: Response | BaseException, *, took_ns: int = 0) -> Response:
        async def call_next(_exchange: Exchange) -> Response:
            assert self.recorder.in_flight == 1
            self.clock.time_ns += took_ns
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        return await self.stage(self.exchange, call_next)

    def recorded(self) -> Delta:
        assert self.recorder.in_flight == 0
        return self.recorder.drain()


def violation(policy: str) -> Violation:
    return Violation(policy, parse_limit("1/minute", policy=policy), 1, None)


def decision(*, refuses: str = "", shadow: str = "") -> LimitDecision:
    return LimitDecision(
        LimitPlan(()),
        (),
        0,
        1,
        (violation(refuses),) if refuses else (),
        (violation(shadow),) if shadow else (),
    )


async def test_a_whole_response_is_recorded_with_its_labels() -> None:
    """Route, method, status class, tier, cache result, size and the time to the response."""
    observed = Observed()
    observed.known()
    response = Response(200, Headers([]), b"12345")
    assert await observed.run(response, took_ns=700) is response
    recorded = observed.recorded()
    assert recorded.requests == {("/orders/{id}", "GET", "2xx", "premium", "hit"): 1}
    assert recorded.bytes_out == 5
    assert recorded.latencies["/orders/{id}"].total_ns == 700
    assert response.taps is None


async def test_a_request_that_ended_early_is_recorded_too() -> None:
    """Without route, consumer and cache result."""
    observed = Observed()
    await observed.run(Response(404, Headers([]), b""))
    assert observed.recorded().requests == {("unmatched", "GET", "4xx", "none", "none"): 1}


@pytest.mark.parametrize("body", ["stream", "pushed"])
async def test_a_streamed_response_is_recorded_at_its_end(body: str) -> None:
    """With the bytes that passed and the time until the last of them, once."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b""

    observed = Observed()
    observed.known()
    response = Response(200, Headers([]), pieces() if body == "stream" else Pushed())
    await observed.run(response, took_ns=100)
    assert observed.recorder.drain().request_count == 0
    assert observed.recorder.in_flight == 1
    assert response.taps is not None
    assert response.on_close is not None
    (tap,) = response.taps
    assert tap.feed(b"abc", last=False) == b"abc"
    observed.clock.time_ns += 900
    assert tap.feed(b"de", last=True) == b"de"
    response.on_close()
    tap.abort()
    recorded = observed.recorded()
    assert recorded.request_count == 1
    assert recorded.bytes_out == 5
    assert recorded.aborted == 0
    assert recorded.latencies["/orders/{id}"].total_ns == 1_000


async def test_a_stream_that_is_cut_off_is_recorded_as_aborted() -> None:
    """Under the status that was sent, with the bytes that passed."""
    observed = Observed()
    response = Response(200, Headers([]), Pushed())
    await observed.run(response)
    assert response.taps is not None
    assert response.on_close is not None
    response.taps[0].feed(b"abc", last=False)
    response.taps[0].abort()
    response.on_close()
    recorded = observed.recorded()
    assert (recorded.request_count, recorded.aborted, recorded.bytes_out) == (1, 1, 3)


async def test_what_was_there_before_is_kept() -> None:
    """Other taps see the body first, and an earlier on_close is called, even after a failure."""
    observed = Observed()
    closed: list[str] = []
    other = Response(200, Headers([]), Pushed())
    await Observed().run(other)
    taps = other.taps
    response = Response(200, Headers([]), Pushed(), None, taps, lambda: closed.append("earlier"))
    await observed.run(response)
    assert response.taps is taps
    assert taps is not None
    assert len(taps) == 2
    assert response.on_close is not None
    response.on_close()
    assert closed == ["earlier"]
    assert observed.recorded().request_count == 1


@pytest.mark.parametrize(
    ("error", "status_class", "kind"),
    [
        (UpstreamTimeoutError("api", "slow", sent=True), "5xx", "timeout"),
        (UpstreamConnectError("api", "refused", sent=False), "5xx", "connect"),
        (UpstreamProtocolError("api", "garbage", sent=True), "5xx", "protocol"),
        (UpstreamError("api", "other", sent=True), "5xx", "other"),
    ],
)
async def test_an_upstream_error_is_counted_by_kind(
    error: UpstreamError, status_class: str, kind: str
) -> None:
    """And goes on to the server as it is."""
    observed = Observed()
    with pytest.raises(HandlerError):
        await observed.run(HandlerError(error))
    recorded = observed.recorded()
    assert recorded.upstream_errors == {("api", kind): 1}
    assert [labels[2] for labels in recorded.requests] == [status_class]


async def test_a_body_that_broke_off_counts_as_400() -> None:
    """The client did not send what it had announced."""
    observed = Observed()
    with pytest.raises(HandlerError):
        await observed.run(HandlerError(BodyAbortedError("cut")))
    assert [labels[2] for labels in observed.recorded().requests] == ["4xx"]


async def test_a_failing_app_counts_as_500() -> None:
    """It is no upstream error."""
    observed = Observed()
    with pytest.raises(HandlerError):
        await observed.run(HandlerError(ValueError("broken")))
    recorded = observed.recorded()
    assert recorded.requests == {("unmatched", "GET", "5xx", "none", "none"): 1}
    assert recorded.upstream_errors == {}


@pytest.mark.parametrize("error", [asyncio.CancelledError(), GeneratorExit()])
async def test_a_client_that_went_away_counts_as_499(error: BaseException) -> None:
    """Cancelled, or its parked run closed."""
    observed = Observed()
    with pytest.raises(type(error)):
        await observed.run(error)
    assert CLIENT_GONE == 499
    assert observed.recorded().requests == {("unmatched", "GET", "4xx", "none", "none"): 1}


async def test_a_limited_request_is_counted_by_policy_and_tier() -> None:
    """And as a refusal of the limit stage."""
    observed = Observed()
    observed.known()
    observed.exchange.limit = decision(refuses="tiers")
    await observed.run(Response(429, Headers([]), b"slow down"))
    recorded = observed.recorded()
    assert recorded.limited == {("tiers", "premium", "enforce"): 1}
    assert recorded.refusals == {"limit": 1}


async def test_a_limit_in_shadow_mode_is_counted_although_the_request_passed() -> None:
    """That is what shadow mode is for."""
    observed = Observed()
    observed.exchange.limit = decision(shadow="burst")
    await observed.run(Response(200, Headers([]), b""))
    recorded = observed.recorded()
    assert recorded.limited == {("burst", "none", "shadow"): 1}
    assert recorded.refusals == {}


async def test_a_request_within_its_limits_counts_nowhere() -> None:
    """Neither as limited nor as refused, also if the origin itself says 404."""
    observed = Observed()
    observed.exchange.limit = decision()
    await observed.run(Response(404, Headers([]), b""))
    recorded = observed.recorded()
    assert (recorded.limited, recorded.refusals) == ({}, {})


async def test_a_refusal_is_counted_by_its_stage() -> None:
    """Passing stages and those in shadow mode did not refuse."""
    observed = Observed()
    observed.exchange.verdicts += [
        Verdict("route", Outcome.PASSED, "matched"),
        Verdict("inspect", Outcome.REFUSED, "looks bad", mode=Mode.SHADOW),
        Verdict("identify", Outcome.REFUSED, "unknown key"),
    ]
    await observed.run(Response(401, Headers([]), b""))
    assert observed.recorded().refusals == {"identify": 1}


def test_the_stage_lets_requests_pass_when_it_fails() -> None:
    """Watching must not cost a request."""
    stage = Observed().stage
    assert (stage.name, stage.on_failure.value) == ("observe", "open")


async def test_an_answer_without_the_handler_is_counted_once() -> None:
    """It never was in flight; a streamed one is until it ends."""
    one = Observed()
    one.stage.answered(one.exchange, Response(200, Headers([]), b"ab"))
    assert (one.recorder.in_flight, one.recorder.drain().bytes_out) == (0, 2)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"abc"

    streamed = Response(200, Headers([]), pieces())
    one.stage.answered(one.exchange, streamed)
    assert one.recorder.in_flight == 1
    assert streamed.taps
    for tap in streamed.taps:
        tap.feed(b"abc", last=True)
    assert (one.recorder.in_flight, one.recorder.drain().bytes_out) == (0, 3)


async def test_others_are_told_of_every_request_that_has_ended() -> None:
    """With its status, the bytes that went out and how long it took; after it was counted."""
    observed = Observed()
    told: list[tuple[bytes, int, int, int, int]] = []

    def report(exchange: Exchange, status: int, size: int, took_ns: int) -> None:
        # Read without settling: what the recorder has by now.
        told.append((exchange.request_id, status, size, took_ns, observed.recorder.in_flight))

    observed.stage = ReportedObserveStage(
        observed.recorder, observed.clock, reports=(report, report)
    )
    await observed.run(Response(200, Headers([]), b"12345"), took_ns=700)
    assert told == [(b"id-1", 200, 5, 700, 0)] * 2
    with pytest.raises(HandlerError):
        await observed.run(HandlerError(ValueError()))
    assert told[2:] == [(b"id-1", 500, 0, 700, 0)] * 2
