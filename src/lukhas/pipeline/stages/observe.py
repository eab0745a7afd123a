"""The observe stage: one sample for each request, whatever becomes of it."""

import asyncio
from collections.abc import Callable

from lukhas.clock import Clock
from lukhas.errors import BodyAbortedError, HandlerError, UpstreamError
from lukhas.http.messages import Pushed, Response
from lukhas.pipeline.endings import follow
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.explaining import Explainer
from lukhas.pipeline.stage import Handler
from lukhas.policy.modes import FailureMode, Mode
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.routing.splitting import DEFAULT_UPSTREAM
from lukhas.policy.verdicts import Outcome
from lukhas.telemetry.recorder import LIMITED, Recorder, Sample

__all__ = (
    "CLIENT_GONE",
    "PASSED",
    "ObserveStage",
    "Report",
    "ReportedObserveStage",
    "SampledObserveStage",
    "sample_of",
)

Report = Callable[[Exchange, int, int, int], None]
"""Told of each request that has ended: the exchange, its status, the bytes of the body that went
out, and how long it took in nanoseconds. It must neither block nor raise."""

_NEVER_NS = 1 << 62
PASSED = "passed"
"""The verdict on a request that no policy had anything against."""

CLIENT_GONE = 499
"""The status under which a request is counted whose client went away before the response head."""


class ObserveStage:
    """Counts and times each request; the outermost stage.

    The duration runs from the arrival of the request (`exchange.now_ns`). For a body that is there
    as a whole it ends when the response is handed to the server: the time to the response head.
    For a streamed body it ends with the stream: the total time, that of a slow client included.

    A request that ends in a failure is counted by the status that the client will see: 504 for an
    upstream that was too slow, 502 for one that failed otherwise, 500 for a failing app, and 499
    where the client went away.

    Args:
        recorder: takes the samples.
        clock: the clock that `exchange.now_ns` was read from.
        explain: keeps records of refused, failed and slow requests; None for none.

    Attributes:
        record: takes a sample.
        slow_ns: from which duration on a request is notable.
        now_ns: reads the clock.
        recorder: as given.
    """

    name = "observe"
    on_failure = FailureMode.OPEN

    def __init__(
        self, recorder: Recorder, clock: Clock, *, explain: Explainer | None = None
    ) -> None:
        self._explain = explain
        slow_ns = 0 if explain is None else explain.rules.slow_ns
        self.slow_ns = slow_ns or _NEVER_NS
        self.recorder = recorder
        self.record = recorder.record
        self.now_ns = clock.now_ns

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        """Passes the exchange on and records how it ended."""
        self.recorder.in_flight += 1
        try:
            response = await call_next(exchange)
        except BaseException as error:
            self._failed(exchange, error)
            raise
        self.responded(exchange, response)
        return response

    def began(self) -> None:
        """An exchange is on its way, without the coroutine of this stage around it."""
        self.recorder.in_flight += 1

    def handed_on(self) -> None:
        """What had begun so goes on in the coroutine of this stage, which counts it itself."""
        self.recorder.in_flight -= 1

    def answered(self, exchange: Exchange, response: Response) -> None:
        """There is a response to an exchange that had not `began`, since nothing had to wait."""
        status = response.status
        self.headed(exchange, status)
        body = response.body
        if body.__class__ is bytes:
            self._sample(exchange, status, len(body))
        else:
            self.recorder.in_flight += 1
            self._follow(exchange, response)

    def responded(self, exchange: Exchange, response: Response) -> None:
        """There is a response; the sample is taken now, or at the end of its body."""
        status = response.status
        self.headed(exchange, status)
        body = response.body
        if body.__class__ is bytes:
            self.ended(exchange, status, len(body))
        else:
            self._follow(exchange, response)

    def headed(self, exchange: Exchange, status: int) -> None:
        """There is the head of a response: counts what it tells of limits and refusals."""
        limit = exchange.limit
        if limit is not None:
            if limit.allowed and limit.plan.is_near(limit.figures):
                self._count_near(exchange, limit)
            if limit.shadow_violations:
                self._count_refusals(exchange, status)
                return
        if status >= 400:
            self._count_refusals(exchange, status)

    def ended(self, exchange: Exchange, status: int, body_bytes: int) -> None:
        """The response is out: takes the sample."""
        self.recorder.in_flight -= 1
        self._sample(exchange, status, body_bytes)

    def _sample(self, exchange: Exchange, status: int, body_bytes: int) -> None:
        limit = exchange.limit
        took_ns = self.now_ns() - exchange.now_ns
        # What simply passes pays for no call.
        passed = (
            status < 400
            and took_ns < self.slow_ns
            and (limit is None or not limit.shadow_violations)
        )
        verdict = PASSED if passed else self._noted(exchange, status, took_ns)
        self.record(sample_of(exchange, status, body_bytes, took_ns, verdict))

    def _noted(self, exchange: Exchange, status: int, took_ns: int) -> str:
        """Keeps a record of a request that did not simply pass; gives the word for it."""
        if self._explain is not None:
            self._explain.note(exchange, status, took_ns)
        return _word(exchange, status)

    def _count_near(self, exchange: Exchange, limit: LimitDecision) -> None:
        consumer = exchange.consumer
        tier = "none" if consumer is None else consumer.tier.value
        for policy in limit.near:
            self.recorder.near_limit(policy, tier)

    def count_limits(self, exchange: Exchange, limit: LimitDecision) -> None:
        """Counts what was over a limit: the request itself, or a message of a connection."""
        consumer = exchange.consumer
        tier = "none" if consumer is None else consumer.tier.value
        if limit.shadow_violations:
            self.recorder.limited(limit.shadow_policy, tier, Mode.SHADOW.value)
        if not limit.allowed:
            self.recorder.limited(limit.policy, tier, Mode.ENFORCE.value)

    def _follow(self, exchange: Exchange, response: Response) -> None:
        """Lets the sample be taken at the end of a streamed body."""
        # Not the response itself, which holds what is made here: they would keep each other alive.
        status = response.status
        if isinstance(response.body, Pushed) and response.on_close is None:
            length = response.headers.index().get(b"content-length")
            if length is not None and length.isdigit():
                # The usual answer of a wrapped app: its size is known, so nobody needs to count.
                known = int(length)
                response.on_close = lambda: self.ended(exchange, status, known)
                return
        follow(
            response,
            lambda size: self.ended(exchange, status, size),
            on_abort=self.recorder.aborted,
        )

    def _failed(self, exchange: Exchange, error: BaseException) -> None:
        cause = error.cause if isinstance(error, HandlerError) else error
        if isinstance(cause, UpstreamError):
            status = {"timeout": 504, "busy": 503}.get(cause.kind, 502)
            self.recorder.upstream_failed(cause.upstream, cause.kind)
        elif isinstance(cause, BodyAbortedError):
            status = 400
        elif isinstance(cause, (asyncio.CancelledError, GeneratorExit)):
            status = CLIENT_GONE
        else:
            status = 500
        self._count_refusals(exchange, status)
        self.ended(exchange, status, 0)

    def _count_refusals(self, exchange: Exchange, status: int) -> None:
        """Counts who refused; not on the way of a request that simply passes."""
        recorder = self.recorder
        limit = exchange.limit
        if limit is not None:
            self.count_limits(exchange, limit)
            if not limit.allowed:
                # Known without asking each stage for its words, so that refusing stays cheap.
                recorder.refused("limit")
                return
        if status < 400:
            return
        for reasoned in exchange.verdicts:
            verdict = reasoned.verdict()
            if verdict.outcome is Outcome.REFUSED and verdict.mode is Mode.ENFORCE:
                recorder.refused(verdict.stage)


class ReportedObserveStage(ObserveStage):
    """An observe stage that also tells others of every request.

    Args:
        recorder: see `ObserveStage`.
        clock: see `ObserveStage`.
        explain: see `ObserveStage`.
        reports: who is told, in this order.
    """

    def __init__(
        self,
        recorder: Recorder,
        clock: Clock,
        *,
        explain: Explainer | None = None,
        reports: tuple[Report, ...],
    ) -> None:
        super().__init__(recorder, clock, explain=explain)
        self._reports = reports

    def _sample(self, exchange: Exchange, status: int, body_bytes: int) -> None:
        super()._sample(exchange, status, body_bytes)
        took_ns = self.now_ns() - exchange.now_ns
        for report in self._reports:
            report(exchange, status, body_bytes, took_ns)


class SampledObserveStage(ReportedObserveStage):
    """An observe stage that keeps a record of every request, whatever became of it."""

    def __init__(
        self,
        recorder: Recorder,
        clock: Clock,
        *,
        explain: Explainer,
        reports: tuple[Report, ...] = (),
    ) -> None:
        super().__init__(recorder, clock, explain=explain, reports=reports)
        self._keep = explain.keep
        self._is_notable = False

    def _sample(self, exchange: Exchange, status: int, body_bytes: int) -> None:
        self._is_notable = False
        super()._sample(exchange, status, body_bytes)
        if not self._is_notable:
            took_ns = self.now_ns() - exchange.now_ns
            self._keep(exchange, status, took_ns, why="sampled")

    def _noted(self, exchange: Exchange, status: int, took_ns: int) -> str:
        self._is_notable = True
        return super()._noted(exchange, status, took_ns)


def sample_of(
    exchange: Exchange, status: int, body_bytes: int, took_ns: int, verdict: str
) -> Sample:
    """The sample of a request that has ended.

    Args:
        exchange: what the stages left of it.
        status: that of the response.
        body_bytes: how much of its body went out.
        took_ns: how long it took.
        verdict: that of all policies, in a word.
    """
    route = exchange.route
    consumer = exchange.consumer
    upstream = exchange.upstream
    return (
        (
            "" if route is None else route.rule.template,
            exchange.head.method,
            status,
            # `value` is a property written in Python and costs ten times as much.
            "" if consumer is None else consumer.tier._value_,
            "" if consumer is None else consumer.tenant,
            upstream or (DEFAULT_UPSTREAM if route is None else route.rule.upstream),
            exchange.cache_result,
            verdict,
        ),
        body_bytes,
        took_ns,
        "" if consumer is None else consumer.key,
        exchange.head.headers.index().get(b"user-agent", b""),
    )


def _word(exchange: Exchange, status: int) -> str:
    """The verdict of all policies in a word, for the history."""
    limit = exchange.limit
    if limit is not None and not limit.allowed:
        return LIMITED
    if exchange.shed:
        return "shed"
    if status >= 400 and _refused(exchange):
        return "refused"
    return "shadow" if limit is not None and limit.shadow_violations else PASSED


def _refused(exchange: Exchange) -> bool:
    for reasoned in exchange.verdicts:
        verdict = reasoned.verdict()
        if verdict.outcome is Outcome.REFUSED and verdict.mode is Mode.ENFORCE:
            return True
    return False
