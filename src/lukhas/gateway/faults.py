"""The gateway's innermost net: failures of an upstream become answers a client can read."""

import logging
import os
import socket
import ssl

from lukhas.errors import (
    HandlerError,
    UpstreamBusyError,
    UpstreamConnectError,
    UpstreamError,
    UpstreamTimeoutError,
)
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.refusals import refusal
from lukhas.pipeline.stage import Backstop, Handler
from lukhas.pipeline.tracing import named
from lukhas.policy.modes import FailureMode
from lukhas.policy.verdicts import Outcome, Verdict
from lukhas.units import SECOND_NS

__all__ = ("FaultStage",)

_log = logging.getLogger("lukhas.gateway")

_LOG_EVERY_NS = 30 * SECOND_NS


class FaultStage(Backstop):
    """Answers 502, 503 or 504 where the upstream failed and no stage below had another answer.

    It stands around the cache, so that a stale response may still be served instead, and inside
    `observe`, so that the answer is counted like any other. The log is told of the first failure of
    an upstream, and of others at most once in half a minute, with their number.
    """

    name = "faults"
    on_failure = FailureMode.OPEN

    def __init__(self) -> None:
        # By upstream: when the log was told last, and how many failures it was not told of.
        self._logged: dict[str, tuple[int, int]] = {}

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        """Passes the exchange on and answers for the upstream if it fails."""
        try:
            return await call_next(exchange)
        except HandlerError as error:
            if not isinstance(error.cause, UpstreamError):
                raise
            self._log(exchange, error.cause)
            return _answer(exchange, error.cause)

    def _log(self, exchange: Exchange, error: UpstreamError) -> None:
        logged_ns, untold = self._logged.get(error.upstream, (-_LOG_EVERY_NS, 0))
        if exchange.now_ns - logged_ns < _LOG_EVERY_NS:
            self._logged[error.upstream] = (logged_ns, untold + 1)
            return
        self._logged[error.upstream] = (exchange.now_ns, 0)
        more = f"; {untold} more since the last such line" if untold else ""
        _log.warning(
            "upstream %r failed: %s%s", error.upstream, error.what, more, extra=named(exchange)
        )


def _answer(exchange: Exchange, error: UpstreamError) -> Response:
    exchange.verdicts.append(
        Verdict("handler", Outcome.FAILED, error.what, facts=(("upstream", error.upstream),))
    )
    if isinstance(error, UpstreamTimeoutError):
        title = "The upstream did not answer in time"
        return _told(exchange, error, status=504, slug="upstream-timeout", title=title)
    if isinstance(error, UpstreamBusyError):
        title = "The upstream takes no request now"
        return _told(exchange, error, status=503, slug="upstream-busy", title=title)
    title = "The upstream failed"
    return _told(exchange, error, status=502, slug="upstream-failed", title=title)


def _told(
    exchange: Exchange, error: UpstreamError, *, status: int, slug: str, title: str
) -> Response:
    return refusal(
        exchange,
        status=status,
        slug=slug,
        title=title,
        detail=f"Upstream {error.upstream!r}: {_for_clients(error)}.",
        extensions=(("upstream", error.upstream),),
        headers=[(b"retry-after", b"1")] if status == 503 else None,
    )


def _for_clients(error: UpstreamError) -> str:
    """What is wrong, without addresses and names of servers: the decision record has them."""
    if not isinstance(error, UpstreamConnectError):
        return error.what
    cause = error.__cause__
    if isinstance(cause, ssl.SSLError):
        return "no TLS connection comes about"
    if isinstance(cause, socket.gaierror):
        return "its name is not known"
    # Not the text of the error, which may tell where it happened.
    if isinstance(cause, OSError) and cause.errno is not None and cause.errno > 0:
        return f"cannot be reached ({os.strerror(cause.errno)})"
    return "cannot be reached"
