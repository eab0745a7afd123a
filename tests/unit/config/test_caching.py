"""lukhas.config.caching: strategies and explicit settings."""

import pickle

import pytest

from lukhas.config.caching import effective_values
from lukhas.config.settings import Settings
from lukhas.policy.strategies import STRATEGIES, Strategy
from lukhas.units import MIB


@pytest.mark.parametrize("strategy", list(Strategy))
def test_a_strategy_gives_the_defaults(strategy: Strategy) -> None:
    """All of them, where nothing is set."""
    settings = Settings(strategy=strategy)
    assert effective_values(settings.strategy, settings.cache) == STRATEGIES[strategy]


def test_what_is_set_explicitly_wins() -> None:
    """Also where it is the default of the setting, and in a process that gets the settings."""
    settings = Settings.model_validate(
        {"strategy": "aggressive-cache", "cache": {"max_ttl_s": 7 * 86_400, "size_bytes": "1MiB"}}
    )
    settings = pickle.loads(pickle.dumps(settings))
    values = effective_values(settings.strategy, settings.cache)
    assert (values.max_ttl_s, values.size_bytes) == (7 * 86_400, MIB)
    assert values.default_ttl_s == 60
