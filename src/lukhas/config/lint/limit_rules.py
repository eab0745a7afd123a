"""Lint rules about what stands in one text of limits."""

from collections.abc import Iterator
from itertools import permutations

from lukhas.config.key_paths import KeyPath
from lukhas.config.lint.remarks import LintFacts, Remark, Rule
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.limits import Kind, Limit
from lukhas.policy.rate_limiting.tiers import Tier

__all__ = ("LIMIT_RULES",)

_IN_ANY_WINDOW = (Kind.STRICT, Kind.EXACT)


def _limits_never_reached(facts: LintFacts) -> Iterator[Remark]:
    for place, text in _texts(facts):
        told: set[Limit] = set()
        for first, second in permutations(parse_limits(text, policy="lint"), 2):
            if second not in told and first not in told and _comes_first(first, second):
                told.add(second)
                what = f"{second.allowance()} is never reached: {first.allowance()} comes before"
                yield Remark(place, what, "lower it, or remove it")


def _comes_first(first: Limit, second: Limit) -> bool:
    """Whether whatever the second refuses is refused by the first as well.

    No window of the second is longer than so many of the first, each with its quota at most.
    """
    if first.kind not in _IN_ANY_WINDOW or second.kind not in _IN_ANY_WINDOW:
        return False
    windows = -(-second.window_ns // first.window_ns)
    return second.quota >= first.quota * windows


def _texts(facts: LintFacts) -> Iterator[tuple[KeyPath, str]]:
    settings = facts.settings
    for tier in Tier:
        text = getattr(settings.tiers, tier.value)
        if text is not None:
            yield ("tiers", tier.value), text
    for index, limit in enumerate(settings.limits):
        yield ("limits", index, "limits"), limit.limits
    for index, route in enumerate(settings.routes):
        if route.limits is not None:
            yield ("routes", index, "limits"), route.limits


LIMIT_RULES = (
    Rule("LK113", "a limit that another one always comes before", _limits_never_reached),
)
"""The rules, by their ids."""
