"""Limits of tiers that are too tight or too loose for what consumers really do."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lukhas.policy.insights.confidence import above, share_at_least
from lukhas.policy.insights.records import Change, Evidence, Insight, figure

__all__ = ("ConsumerPeak", "LimitRules", "TierLimit", "TierUse", "round_quota", "tier_limits")


@dataclass(frozen=True, slots=True)
class TierLimit:
    """One limit of a tier.

    Attributes:
        text: as it is written, e.g. `60/minute`.
        quota: how many requests.
        window_s: in how many seconds.
    """

    text: str
    quota: int
    window_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TierUse:
    """What the consumers of a tier asked for in the window.

    Attributes:
        tier: its name.
        requests: finished requests, refused ones as well.
        limited: of these, refused by a limit.
        limits: the limits of the tier.
        setting: all of them as the settings have them, e.g. `60/minute; 1000/hour`.
    """

    tier: str
    requests: int
    limited: int
    limits: tuple[TierLimit, ...]
    setting: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerPeak:
    """The most that one consumer asked for, whether it was let through or not.

    Attributes:
        consumer: its key.
        limited: requests of it that were refused by a limit.
        peaks: by the length of a stretch in seconds, the most requests in one such stretch.
    """

    consumer: str
    limited: int
    peaks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class LimitRules:
    """From when on a limit does not fit.

    Attributes:
        tight_ratio: the part of the tier's requests that is refused.
        tight_consumers: how many different consumers are refused.
        tight_leader: where one consumer has this part of all that is refused, the limit does what
            it is for.
        loose_factor: how many times the busiest consumer's peak the quota is.
        least_requests: fewer say nothing.
        least_hours: a shorter window says nothing of what is too loose.
    """

    tight_ratio: float = 0.01
    tight_consumers: int = 3
    tight_leader: float = 0.5
    loose_factor: float = 20.0
    least_requests: int = 1000
    least_hours: int = 24


def round_quota(value: float) -> int:
    """The next figure above that people would write: 1, 2, 3, 5 or 8 and zeros."""
    size: int = 10 ** max(0, math.floor(math.log10(max(value, 1))))
    return next(step * size for step in (1, 2, 3, 5, 8, 10) if step * size >= value)


def tier_limits(
    tiers: Sequence[TierUse],
    consumers: Sequence[ConsumerPeak],
    rules: LimitRules,
    *,
    window_s: int,
) -> list[Insight]:
    """Findings about limits of tiers.

    It is not known of which tier a consumer is. So a limit is called too loose only by the busiest
    consumer of all tiers, and too tight only where all that is refused was refused in one tier.

    Args:
        tiers: what was asked for in each tier.
        consumers: the busiest consumers.
        rules: from when on.
        window_s: the length of the window.
    """
    refusing = [tier for tier in tiers if tier.limited]
    found: list[Insight] = []
    if len(refusing) == 1:
        tight = _tight(refusing[0], consumers, rules)
        found += [tight] if tight is not None else []
    if window_s >= rules.least_hours * 3600:
        for tier in tiers:
            if tier.requests >= rules.least_requests and not tier.limited:
                loose = [_loose(tier, limit, consumers, rules) for limit in tier.limits]
                found += [each for each in loose if each is not None]
    return found


def _peak(consumer: ConsumerPeak, window_s: int) -> int | None:
    return dict(consumer.peaks).get(window_s)


def _tight(tier: TierUse, consumers: Sequence[ConsumerPeak], rules: LimitRules) -> Insight | None:
    refused = [each for each in consumers if each.limited]
    all_refused = sum(each.limited for each in refused)
    if tier.requests < rules.least_requests or len(refused) < rules.tight_consumers:
        return None
    if tier.limited < rules.tight_ratio * tier.requests:
        return None
    if max(each.limited for each in refused) > rules.tight_leader * all_refused:
        return None
    reached = [
        (sum((_peak(each, limit.window_s) or 0) > limit.quota for each in refused), limit)
        for limit in tier.limits
    ]
    # Of limits that as many have reached, the shortest window: it refuses first.
    count, limit = max(reached, key=lambda pair: (pair[0], -pair[1].window_s), default=(0, None))
    if limit is None or not count:
        return None
    wanted = sorted(_peak(each, limit.window_s) or 0 for each in refused)
    typical = wanted[math.ceil(0.9 * len(wanted)) - 1]
    quota = round_quota(typical)
    served = sum(each <= quota for each in wanted)
    return Insight(
        kind="limit-too-tight",
        about=f"{tier.tier}:{limit.text}",
        title=f"{limit.text} of tier {tier.tier} refuses {tier.limited / tier.requests:.1%} of its "
        f"requests, to {len(refused)} consumers",
        evidence=(
            figure("requests of the tier", tier.requests, "requests"),
            figure("refused", tier.limited, "requests"),
            figure("consumers that were refused", len(refused), "consumers"),
            figure("of these, above this limit", count, "consumers"),
            figure("quota", limit.quota, "requests"),
            figure("what nine of ten of them ask for at most", typical, "requests"),
        ),
        impact=f"{tier.limited} requests were refused; {served} of these {len(refused)} consumers "
        f"would stay below {quota} in {limit.window_s} s.",
        confidence=above(tier.limited, tier.requests, rules.tight_ratio),
        proposal="Many are refused, and none of them has most of it: the limit meets usual use. "
        "Raise it if these consumers are welcome, and the API can carry it; try it in shadow mode "
        "first.",
        weight=float(tier.limited),
        changes=(_changed(tier, limit, quota),),
    )


def _loose(
    tier: TierUse, limit: TierLimit, consumers: Sequence[ConsumerPeak], rules: LimitRules
) -> Insight | None:
    peaks = sorted(peak for each in consumers if (peak := _peak(each, limit.window_s)) is not None)
    if not peaks or limit.quota < rules.loose_factor * peaks[-1]:
        return None
    quota = round_quota(3 * peaks[-1])
    return Insight(
        kind="limit-too-loose",
        about=f"{tier.tier}:{limit.text}",
        title=f"{limit.text} of tier {tier.tier} is {limit.quota / peaks[-1]:.0f} times what the "
        "busiest consumer asks for",
        evidence=(
            figure("quota", limit.quota, "requests"),
            figure("the busiest consumer", peaks[-1], "requests"),
            *_quantiles(peaks),
            figure("requests of the tier", tier.requests, "requests"),
        ),
        impact=f"One consumer that goes wrong may ask {limit.quota / peaks[-1]:.0f} times as much "
        "as any has, before it is stopped.",
        # That the next consumer is no busier than all before: the interval of 'all of n'.
        confidence=share_at_least(len(peaks), len(peaks)),
        proposal="Lower it to three times the peak, in shadow mode first, if no larger consumer is "
        "to come. Consumers of all tiers were looked at.",
        weight=float(peaks[-1]),
        changes=(_changed(tier, limit, quota),),
    )


def _quantiles(peaks: Sequence[int]) -> tuple[Evidence, ...]:
    """What consumers ask for at most in such a window, each by its own peak."""
    return tuple(
        figure(
            f"peak that {q:.0%} of consumers stay within",
            peaks[math.ceil(q * len(peaks)) - 1],
            "requests",
        )
        for q in (0.5, 0.95)
    )


def _changed(tier: TierUse, limit: TierLimit, quota: int) -> Change:
    """The setting of the tier with another quota in this limit."""
    texts = [
        f"{quota}/{each.text.partition('/')[2]}" if each == limit else each.text
        for each in tier.limits
    ]
    return Change(f"tiers.{tier.tier}", f'"{"; ".join(texts)}"', f'"{tier.setting}"')
