"""Tiers."""

from lukhas.policy.rate_limiting.tiers import DEFAULT_TIER_LIMITS, Tier, default_tier_limits


def test_default_limits_are_those_advertised() -> None:
    """Per minute, hour and day; INTERNAL is unlimited."""
    assert {tier: list(map(str, limits)) for tier, limits in default_tier_limits().items()} == {
        Tier.FREE: ["60/minute", "1000/hour", "10000/day"],
        Tier.BASIC: ["300/minute", "10000/hour", "100000/day"],
        Tier.PREMIUM: ["1000/minute", "50000/hour", "1000000/day"],
        Tier.ENTERPRISE: ["10000/minute", "500000/hour", "10000000/day"],
        Tier.INTERNAL: [],
    }
    assert [tier for tier, _text in DEFAULT_TIER_LIMITS] == list(Tier)


def test_limits_are_named_after_their_tier() -> None:
    """So that a client sees which one it has reached."""
    names = [limit.name for limit in default_tier_limits()[Tier.BASIC]]
    assert names == ["basic-minute", "basic-hour", "basic-day"]


def test_tiers_are_read_by_name_and_hashed_by_identity() -> None:
    """They key tables on the hot path."""
    assert Tier("premium") is Tier.PREMIUM
    assert hash(Tier.FREE) == object.__hash__(Tier.FREE)
    assert [tier.value for tier in Tier] == ["free", "basic", "premium", "enterprise", "internal"]
