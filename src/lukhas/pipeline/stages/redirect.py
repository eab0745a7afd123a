"""The redirect stage: sends clients to where a resource is now."""

from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Gate
from lukhas.policy.modes import FailureMode
from lukhas.policy.verdicts import Outcome, Verdict

__all__ = ("RedirectStage",)

_SENT = Verdict("redirect", Outcome.ANSWERED, "the route is redirected")


class RedirectStage(Gate):
    """Answers requests on routes that are redirected; they are identified and limited first."""

    name = "redirect"
    on_failure = FailureMode.CLOSED

    def enter(self, exchange: Exchange) -> Response | None:
        """Answers with Location, or lets the exchange pass."""
        route = exchange.route
        redirect = route.rule.redirect if route is not None else None
        if route is None or redirect is None:
            return None
        exchange.verdicts.append(_SENT)
        location = redirect.location(route.params, exchange.head.query)
        fields = Headers([(b"location", location), (b"content-length", b"0")])
        return Response(redirect.status, fields)
