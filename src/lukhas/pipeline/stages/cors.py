"""The cors stage: tells browsers which pages of other origins may read answers."""

from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.refusals import refusal
from lukhas.pipeline.stage import Gate
from lukhas.pipeline.stages.route import RouteStage
from lukhas.policy.cors import CorsPolicy, actual_fields, preflight_fields
from lukhas.policy.modes import FailureMode, Mode
from lukhas.policy.verdicts import Outcome, Verdict

__all__ = ("CorsStage",)

_ALLOWED = Verdict("cors", Outcome.ANSWERED, "the preflight is allowed")
_REFUSED = Verdict("cors", Outcome.REFUSED, "the preflight asks for what is not allowed")
_WOULD_REFUSE = Verdict(
    "cors", Outcome.REFUSED, "the preflight asks for what is not allowed", mode=Mode.SHADOW
)


class CorsStage(Gate):
    """Answers preflights, and puts the fields of CORS on every other answer, refusals too.

    It stands before `identify`: a browser sends preflights without credentials, and they count
    against no limit. A page can read why its request was refused, because a refusal has the
    fields as well.

    Args:
        routes: the stage that has found the route; a preflight is about another method than its
            own, so the route is looked up once more for it.
    """

    name = "cors"
    on_failure = FailureMode.OPEN

    def __init__(self, routes: RouteStage) -> None:
        self._routes = routes

    def with_routes(self, routes: RouteStage) -> "CorsStage":
        """The same for other routes."""
        return CorsStage(routes)

    def enter(self, exchange: Exchange) -> Response | None:
        """Answers a preflight; lets anything else pass, with its fields in `exchange.added`."""
        route = exchange.route
        if route is None:
            return None
        head = exchange.head
        fields = head.headers.index()
        origin = fields.get(b"origin")
        if head.method == "OPTIONS" and origin is not None:
            method = fields.get(b"access-control-request-method")
            if method is not None:
                return self._preflight(exchange, origin, method)
        policy = route.rule.cors
        if policy.mode is Mode.ENFORCE:
            exchange.added += actual_fields(policy, origin)
        return None

    def _preflight(self, exchange: Exchange, origin: bytes, method: bytes) -> Response | None:
        head = exchange.head
        match = self._routes.table.match(method.decode("latin-1"), head.authority, head.path)
        policy: CorsPolicy = match.rule.cors
        if policy.mode is Mode.OFF:
            return None
        asked = head.headers.joined(b"access-control-request-headers")
        fields = preflight_fields(policy, origin, method, asked)
        if policy.mode is Mode.SHADOW:
            exchange.verdicts.append(_ALLOWED if fields is not None else _WOULD_REFUSE)
            return None
        if fields is None:
            exchange.verdicts.append(_REFUSED)
            return refusal(
                exchange,
                status=403,
                slug="cors-not-allowed",
                title="The cross-origin request is not allowed",
                detail="Origin, method or fields of the request are not allowed here.",
                headers=[(b"vary", b"origin")],
            )
        exchange.verdicts.append(_ALLOWED)
        return Response(204, Headers(fields))
