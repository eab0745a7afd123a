"""The route stage: which route, and so which policies, apply."""

from typing import Protocol

from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Gate
from lukhas.policy.modes import FailureMode
from lukhas.policy.routing.routes import RouteMatch
from lukhas.policy.verdicts import Outcome, Verdict

__all__ = ("RouteFinder", "RouteStage")


class RouteFinder(Protocol):
    """Finds the route of a request; `RouteTable` is one."""

    def match(self, method: str, authority: bytes, path: bytes) -> RouteMatch:
        """See `RouteTable.match`."""
        ...


class RouteStage(Gate):
    """Finds the route of the exchange and leaves it there; never answers.

    Args:
        table: the routes. May be replaced at run time by assigning `table`.
    """

    name = "route"
    on_failure = FailureMode.CLOSED

    def __init__(self, table: RouteFinder) -> None:
        self.table = table
        self._verdicts: dict[str, Verdict] = {}

    def enter(self, exchange: Exchange) -> None:
        """Lets the exchange pass with its route set."""
        head = exchange.head
        match = exchange.route = self.table.match(head.method, head.authority, head.path)
        name = match.rule.name
        verdict = self._verdicts.get(name)
        if verdict is None:
            reason = f"route {name}"
            verdict = self._verdicts[name] = Verdict(self.name, Outcome.PASSED, reason, name)
        exchange.verdicts.append(verdict)
