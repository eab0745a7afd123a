"""The accept stage: lets a connection that stays open count as answered at its handshake."""

from lukhas.http.messages import Pushed, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler
from lukhas.policy.modes import FailureMode

__all__ = ("AcceptStage",)


class AcceptStage:
    """Lets `observe` count a connection when it is accepted, while what is inside keeps it open.

    A connection may last for hours: its time to the handshake is what belongs among the durations
    of requests. A limit on requests in flight holds it to its end.
    """

    name = "accept"
    on_failure = FailureMode.OPEN

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        """Passes the exchange on; the answer to an accepted connection counts as whole."""
        response = await call_next(exchange)
        if not isinstance(response.body, Pushed):
            return response
        return Response(response.status, response.headers, b"", on_close=response.on_close)
