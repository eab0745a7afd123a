"""The gateway's innermost net: failures of an upstream become answers a client can read."""

from lukhas.errors import HandlerError, UpstreamError
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.refusals import refusal
from lukhas.pipeline.stage import Handler
from lukhas.policy.modes import FailureMode
from lukhas.policy.verdicts import Outcome, Verdict

__all__ = ("FaultStage",)

_FAILED = (502, "upstream-failed", "The upstream failed")
_ANSWERS = {
    "timeout": (504, "upstream-timeout", "The upstream did not answer in time"),
    "busy": (503, "upstream-busy", "The upstream has no connection free"),
}


class FaultStage:
    """Answers 502, 503 or 504 where the upstream failed and no stage below had another answer.

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
    status, slug, title = _ANSWERS.get(error.kind, _FAILED)
    exchange.verdicts.append(
        Verdict("handler", Outcome.FAILED, error.what, facts=(("upstream", error.upstream),))
    )
    return refusal(
        exchange,
        status=status,
        slug=slug,
        title=title,
        detail=f"Upstream {error.upstream!r}: {error.what}.",
        extensions=(("upstream", error.upstream),),
        headers=[(b"retry-after", b"1")] if status == 503 else None,
    )
