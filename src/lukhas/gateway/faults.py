"""The gateway's innermost net: failures of an upstream become answers a client can read."""

from lukhas.errors import HandlerError, UpstreamError, UpstreamTimeoutError
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.refusals import refusal
from lukhas.pipeline.stage import Handler
from lukhas.policy.modes import FailureMode
from lukhas.policy.verdicts import Outcome, Verdict

__all__ = ("FaultStage",)


class FaultStage:
    """Answers 502 or 504 where the upstream failed and no stage below had another answer.

    It stands around the cache, so that a stale response may still be served instead, and inside
    `observe`, so that the answer is counted like any other.
    """

    name = "faults"
    on_failure = FailureMode.OPEN

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        """Passes the exchange on and answers for the upstream if it fails."""
        try:
            return await call_next(exchange)
        except HandlerError as error:
            if not isinstance(error.cause, UpstreamError):
                raise
            return _answer(exchange, error.cause)


def _answer(exchange: Exchange, error: UpstreamError) -> Response:
    timed_out = isinstance(error, UpstreamTimeoutError)
    exchange.verdicts.append(
        Verdict("handler", Outcome.FAILED, error.what, facts=(("upstream", error.upstream),))
    )
    return refusal(
        exchange,
        status=504 if timed_out else 502,
        slug="upstream-timeout" if timed_out else "upstream-failed",
        title="The upstream did not answer in time" if timed_out else "The upstream failed",
        detail=f"Upstream {error.upstream!r}: {error.what}.",
        extensions=(("upstream", error.upstream),),
    )
