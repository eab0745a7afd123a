"""The split stage: which of several upstreams a request goes to."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from lukhas.pipeline.callers import CallerOf, caller_of
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Gate
from lukhas.policy.modes import FailureMode
from lukhas.policy.routing.splitting import Split
from lukhas.policy.verdicts import Outcome, Verdict

__all__ = ("SplitStage",)


class SplitStage(Gate):
    """Leaves the upstream of each exchange on routes that are split; never answers.

    What is stored of one part is never served to the other: the upstream becomes a part of what
    the cache looks up.

    Args:
        splits: all there are.
        draw: gives random numbers from 0 to 1, 1 not included.
    """

    name = "split"
    on_failure = FailureMode.OPEN

    def __init__(self, splits: Iterable[Split], draw: Callable[[], float]) -> None:
        self._draw = draw
        self._callers: dict[str, CallerOf] = {split.by: caller_of(split.by) for split in splits}
        self._verdicts: dict[str, Verdict] = {}

    def enter(self, exchange: Exchange) -> None:
        """Lets the exchange pass with its upstream set."""
        split = exchange.route.rule.split if exchange.route is not None else None
        if split is None:
            return
        caller = self._callers[split.by](exchange)
        drawn = exchange.drawn = self._draw()
        chosen = exchange.upstream = split.choose(caller, drawn)
        head = exchange.head
        keyed = b"%b\0%b" % (head.keyed, chosen.encode())
        exchange.head = replace(head, keyed=keyed)
        verdict = self._verdicts.get(chosen)
        if verdict is None:
            reason = f"upstream {chosen}"
            verdict = self._verdicts[chosen] = Verdict(self.name, Outcome.PASSED, reason)
        exchange.verdicts.append(verdict)
