"""lukhas.config.compression: what may be said, and what becomes of it."""

import pytest
from pydantic import ValidationError

from lukhas.config.compression import CompressionSettings
from lukhas.config.settings import Settings
from lukhas.hub.policies import compression_policy, route_table
from lukhas.policy.compression import CompressionPolicy
from lukhas.policy.modes import Mode
from lukhas.policy.strategies import STRATEGIES, Strategy


def test_no_settings_are_the_default_policy() -> None:
    """Two places that must say the same; and it is off."""
    assert compression_policy(Settings()) == CompressionPolicy()
    assert CompressionSettings().mode is Mode.OFF


@pytest.mark.parametrize(
    "values",
    [
        {"codings": []},
        {"codings": ["deflate"]},
        {"types": ["text"]},
        {"types": ["*/*"]},
        {"effort": 0},
        {"effort": 10},
    ],
)
def test_what_makes_no_sense_is_refused(values: dict[str, object]) -> None:
    """Rather than ignored."""
    with pytest.raises(ValidationError):
        CompressionSettings.model_validate(values)


@pytest.mark.parametrize("strategy", list(Strategy))
def test_the_strategy_has_the_effort(strategy: Strategy) -> None:
    """Unless it is set."""
    policy = compression_policy(Settings(strategy=strategy))
    assert policy.effort == STRATEGIES[strategy].compression_effort
    settings = Settings.model_validate({"strategy": strategy, "compression": {"effort": 9}})
    assert compression_policy(settings).effort == 9


def test_a_route_has_a_mode_of_its_own() -> None:
    """The rest is as for all."""
    settings = Settings.model_validate(
        {
            "compression": {"mode": "enforce", "codings": ["gzip"], "types": ["a/b"]},
            "routes": [{"name": "a", "path": "/a", "compression": "off"}],
        }
    )
    expected = CompressionPolicy(mode=Mode.ENFORCE, codings=(b"gzip",), types=(b"a/b",))
    assert compression_policy(settings) == expected
    match = route_table(settings).match("GET", b"a.example", b"/a")
    assert match.rule.compression.mode is Mode.OFF
