"""The openapi stage: refuses requests whose path, query or fields do not fit the description."""

from collections.abc import Sequence

from lukhas.http.headers import HeaderPairs
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.openapi_rules import OpenApiRules
from lukhas.pipeline.refusals import refusal
from lukhas.pipeline.stage import Gate
from lukhas.policy.modes import FailureMode, Mode
from lukhas.policy.openapi.faults import MessageFault
from lukhas.policy.openapi.paths import Found
from lukhas.policy.verdicts import Outcome, Verdict

__all__ = ("OpenApiStage", "told_faults")


class OpenApiStage(Gate):
    """Checks all of a request but its body. It stands before the cache, so a hit is checked too.

    Args:
        rules: what to go by.
    """

    name = "openapi"

    def __init__(self, rules: OpenApiRules) -> None:
        self._rules = rules
        enforces = rules.requests is Mode.ENFORCE
        self.on_failure = FailureMode.CLOSED if enforces else FailureMode.OPEN

    def enter(self, exchange: Exchange) -> Response | None:
        """Refuses the exchange, or lets it pass."""
        rules, head = self._rules, exchange.head
        description = rules.opened()
        found = description.find(head.path)
        operation = found.operation(head.method) if found is not None else None
        if found is None or operation is None:
            return self._unknown(exchange, found)
        faults = description.head_faults(found, operation, head, most=rules.most_faults)
        return told_faults(exchange, rules, faults, stage=self.name) if faults else None

    def _unknown(self, exchange: Exchange, found: Found | None) -> Response | None:
        rules = self._rules
        if not rules.refuses_unknown or _is_left_out(exchange, found):
            return None
        rules.counts.request_faults += 1
        exchange.verdicts.append(
            Verdict(self.name, Outcome.REFUSED, "not in the description", mode=rules.requests)
        )
        if rules.requests is not Mode.ENFORCE:
            return None
        headers: HeaderPairs = []
        if found is not None:
            headers.append((b"allow", ", ".join(sorted(found.operations)).encode("ascii")))
        return refusal(
            exchange,
            status=404 if found is None else 405,
            slug="path-not-described" if found is None else "method-not-described",
            title="The API has no such operation",
            detail="Its description knows no such path."
            if found is None
            else f"Its description knows this path, but not {exchange.head.method}.",
            headers=headers,
        )


def _is_left_out(exchange: Exchange, found: Found | None) -> bool:
    """Whether no description would know of it: a preflight, or a WebSocket connection."""
    if exchange.head.method == "OPTIONS":
        return found is not None
    route = exchange.route
    return exchange.head.scheme in {"ws", "wss"} or (route is not None and route.rule.websocket)


def told_faults(
    exchange: Exchange,
    rules: OpenApiRules,
    faults: Sequence[MessageFault],
    *,
    stage: str,
    is_media: bool = False,
) -> Response | None:
    """Records the faults of a request, and refuses it where the rules are enforced.

    Args:
        exchange: the request.
        rules: what to go by.
        faults: at least one.
        stage: who found them.
        is_media: whether it is about the media type or coding of the body, which is 415.
    """
    rules.counts.request_faults += 1
    first = faults[0]
    exchange.verdicts.append(
        Verdict(
            stage,
            Outcome.REFUSED,
            "request does not fit the description",
            mode=rules.requests,
            facts=(
                ("in", first.place.value),
                ("name", first.name),
                ("pointer", first.mismatch.pointer),
                ("rule", first.mismatch.rule),
                ("faults", len(faults)),
            ),
        )
    )
    if rules.requests is not Mode.ENFORCE:
        return None
    what = f"{first.name or 'the body'} ({first.place.value})"
    where = f" at {first.mismatch.pointer}" if first.mismatch.pointer else ""
    more = f" There are {len(faults)} faults listed." if len(faults) > 1 else ""
    return refusal(
        exchange,
        status=415 if is_media else 422 if rules.status == 422 else 400,
        slug="request-not-valid",
        title="The request does not fit the description of the API",
        detail=f"{what}{where}: {first.mismatch.rule}: expected {first.mismatch.expected}.{more}",
        extensions=(("faults", [fault.member() for fault in faults]),),
    )
