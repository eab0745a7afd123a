"""Settings of an upstream with several targets."""

from typing import Any

import pytest
from pydantic import ValidationError

from lukhas.config.balancing import BalancerKind, BalancingSettings


def test_the_defaults() -> None:
    """The quicker of two, Envoy's ejection, a fifth of retries."""
    settings = BalancingSettings()
    assert settings.balancer is BalancerKind.PEAK_EWMA
    assert (settings.outliers.failures, settings.outliers.pause_s) == (5, 30)
    assert settings.retries.budget_percent == 20


@pytest.mark.parametrize("key", ["client", "consumer", "header:X-User", "cookie:sid"])
def test_callers_are_bound_by_one_of_these(key: str) -> None:
    """Any of them, with the balancer that asks for it."""
    given = {"balancer": "consistent_hash", "hash_key": key}
    assert BalancingSettings.model_validate(given).hash_key == key


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"balancer": "fastest"}, "peak_ewma"),
        ({"balancer": "consistent_hash"}, "has no `hash_key`: set it"),
        ({"hash_key": "client"}, "does nothing with this balancer: set `balancer`"),
        ({"balancer": "consistent_hash", "hash_key": "ip"}, "binds nobody to a target"),
        ({"balancer": "consistent_hash", "hash_key": "header:a b"}, "binds nobody to a target"),
        ({"outliers": {"pause_s": 60, "longest_pause_s": 30}}, "shorter than `pause_s`"),
        ({"breaker": {"pause_s": 9}}, "shorter than `pause_s`"),
        ({"probes": {"path": "healthz"}}, "is no path: write it like"),
        ({"probes": {"path": "/a b"}}, "is no path"),
        ({"probes": {"least_status": 500}}, "`most_status` is below `least_status`"),
        ({"retries": {"first_pause_s": 1}}, "shorter than `first_pause_s`"),
        ({"retries": {"statuses": [404]}}, "greater than or equal to 500"),
        ({"retries": {"budget_percent": 101}}, "less than or equal to 100"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], told: str) -> None:
    """With what is wrong and what to do."""
    with pytest.raises(ValidationError, match=told):
        BalancingSettings.model_validate(given)
