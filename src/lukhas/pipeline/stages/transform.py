"""The transform stage: changes fields and paths between us and the origin."""

from dataclasses import replace

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler
from lukhas.policy.cors import CORS_FIELDS
from lukhas.policy.field_rules import FieldRules
from lukhas.policy.modes import FailureMode, Mode
from lukhas.policy.routing.routes import RouteMatch

__all__ = ("TransformStage",)

_NO_CORS = FieldRules(removed=CORS_FIELDS)


class TransformStage:
    """Changes what the origin sees of a request, and the fields of what it answers.

    It stands inside the cache. So the key of an entry is what the client asked for, and what is
    stored has been changed already: the changes of a route are the same for every client.
    """

    name = "transform"
    on_failure = FailureMode.CLOSED

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        """Passes the changed request on, and changes what comes back."""
        route = exchange.route
        if route is None:
            return await call_next(exchange)
        rule = route.rule
        rules = rule.transformation.response
        if rule.cors.mode is Mode.ENFORCE:
            # Ours are put on each answer; twice the same field would be refused by browsers.
            rules = _NO_CORS.then(rules)
        asked = exchange.head
        exchange.head = _changed(asked, route)
        try:
            response = await call_next(exchange)
        finally:
            exchange.head = asked
        headers = rules.applied(response.headers)
        if rule.transformation.hsts and asked.scheme == "https":
            hsts = (b"strict-transport-security", rule.transformation.hsts)
            headers = FieldRules(missing=(hsts,)).applied(headers)
        if headers is not response.headers:
            response.headers = headers
            response.ready_head = None
        return response


def _changed(head: RequestHead, route: RouteMatch) -> RequestHead:
    transformation = route.rule.transformation
    if transformation.request.is_empty and transformation.rewrite is None:
        return head
    headers: Headers = transformation.request.applied(head.headers)
    path = head.path
    if transformation.rewrite is not None:
        path = transformation.rewrite.filled(route.params)
    return replace(head, path=path, headers=headers)
