"""The fallback stage: another upstream, or a ready answer, where the upstream cannot answer."""

from dataclasses import replace

from lukhas.errors import HandlerError, UpstreamError
from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import discard
from lukhas.pipeline.stage import Backstop, Handler
from lukhas.policy.modes import FailureMode
from lukhas.policy.resilience.retries import may_retry
from lukhas.policy.routing.fallbacks import Fallback, StandIn
from lukhas.policy.verdicts import Outcome, Verdict

__all__ = ("FallbackStage",)


class FallbackStage(Backstop):
    """Stands around the cache, so that a stale response that may serve comes first.

    What the other upstream answers is kept apart from what is stored of the first: the upstream
    becomes a part of what the cache looks up.
    """

    name = "fallback"
    on_failure = FailureMode.OPEN
    sees_answers = True

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        """Passes the exchange on, once more to another upstream if need be.

        Raises:
            HandlerError: nothing could answer.
        """
        fallback = exchange.route.rule.fallback if exchange.route is not None else None
        if fallback is None:
            return await call_next(exchange)
        # What stages inside add about the first answer says nothing about the second.
        added = len(exchange.added)
        try:
            response = await call_next(exchange)
        except HandlerError as error:
            if not isinstance(error.cause, UpstreamError):
                raise
            what, sent = error.cause.what, error.cause.sent
            if not _stands_in(exchange, fallback, sent=sent):
                raise
        else:
            if response.status not in fallback.statuses or not _stands_in(
                exchange, fallback, sent=True
            ):
                return response
            what, sent = f"it answered {response.status}", True
            exchange.response = None
            discard(response)
        del exchange.added[added:]
        if fallback.upstream and _may_repeat(exchange, sent=sent):
            return await self._elsewhere(exchange, call_next, fallback, what)
        return self._ready(exchange, fallback, what)

    async def _elsewhere(
        self, exchange: Exchange, call_next: Handler, fallback: Fallback, what: str
    ) -> Response:
        self._tell(exchange, f"asks {fallback.upstream}", what)
        head = exchange.head
        keyed = b"%b\0fallback\0%b" % (head.keyed, fallback.upstream.encode())
        exchange.head = replace(head, keyed=keyed)
        exchange.upstream = fallback.upstream
        added = len(exchange.added)
        try:
            response = await call_next(exchange)
        except HandlerError as error:
            if fallback.answer is None or not isinstance(error.cause, UpstreamError):
                raise
            what = error.cause.what
        else:
            if fallback.answer is None or response.status not in fallback.statuses:
                return response
            what = f"it answered {response.status}"
            exchange.response = None
            discard(response)
        del exchange.added[added:]
        return self._ready(exchange, fallback, what)

    def _ready(self, exchange: Exchange, fallback: Fallback, what: str) -> Response:
        answer = fallback.answer
        if answer is None:  # pragma: no cover - `_stands_in` has seen to that
            raise AssertionError("nothing stands in")
        self._tell(exchange, "gives a ready answer", what)
        exchange.cache_result = ""
        return _made(answer)

    def _tell(self, exchange: Exchange, does: str, what: str) -> None:
        reason = f"{does}: the upstream {exchange.upstream_name} failed ({what})"
        exchange.verdicts.append(Verdict(self.name, Outcome.ANSWERED, reason))


def _stands_in(exchange: Exchange, fallback: Fallback, *, sent: bool) -> bool:
    """Whether there is anything that may stand in."""
    return fallback.answer is not None or _may_repeat(exchange, sent=sent)


def _may_repeat(exchange: Exchange, *, sent: bool) -> bool:
    body: object = exchange.body
    body_is_gone = sent and not isinstance(body, bytes | None)
    return may_retry(exchange.head.method, was_sent=sent, body_is_gone=body_is_gone)


def _made(answer: StandIn) -> Response:
    return Response(answer.status, Headers(list(answer.headers.raw)), answer.body)
