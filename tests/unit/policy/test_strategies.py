"""lukhas.policy.strategies."""

from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.strategies import STRATEGIES, Strategy, StrategyValues


def test_every_strategy_has_values() -> None:
    """One row each, and no two alike."""
    assert set(STRATEGIES) == set(Strategy)
    assert len(set(STRATEGIES.values())) == len(Strategy)


def test_balanced_is_what_nothing_set_means() -> None:
    """The defaults of a policy are those of the default strategy."""
    values, policy = STRATEGIES[Strategy.BALANCED], CachePolicy()
    assert values == StrategyValues()
    for name in (
        "default_ttl_s",
        "max_ttl_s",
        "stale_while_revalidate_s",
        "stale_if_error_s",
        "stale_if_unreachable_s",
        "early_refresh",
        "max_body_bytes",
    ):
        assert getattr(values, name) == getattr(policy, name)


def test_stored_bodies_fit_the_room() -> None:
    """A body may take half of the room at most."""
    for values in STRATEGIES.values():
        assert values.max_body_bytes <= values.size_bytes // 2
