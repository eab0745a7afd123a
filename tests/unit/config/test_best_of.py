"""Settings of routes whose requests go to the upstream that does best."""

from typing import Any

import pytest
from pydantic import ValidationError

from lukhas.config.best_of import BestOfSettings
from lukhas.hub.best_of import best_of_policy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.best_of import BestOf, BestOfTerms
from lukhas.units import MILLISECOND_NS, SECOND_NS


def test_two_names_are_enough() -> None:
    """The rest is as the policy has it."""
    settings = BestOfSettings.model_validate({"upstreams": ["a", "b"]})
    everybody = (frozenset[Tier](), frozenset[Tier]())
    assert best_of_policy("r", settings, str) == BestOf("r", ("a", "b"), (1, 1), everybody)
    assert best_of_policy("r", None, str) is None


def test_everything_can_be_set() -> None:
    """As the policy has it; names are those that upstreams have."""
    given = {
        "upstreams": ["default", "b"],
        "weights": {"b": 3},
        "tiers": {"b": ["premium"]},
        "per_tier": True,
        "bind_by": "cookie:session",
        "look_percent": 5,
        "look_s": 3,
        "memory_s": 4,
        "failure_ms": 200,
        "behind_times": 2,
        "level_times": 1.5,
        "out_after": 7,
    }
    settings = BestOfSettings.model_validate(given)
    names = {"default": "main", "b": "b"}
    assert best_of_policy("r", settings, names.__getitem__) == BestOf(
        "r",
        ("main", "b"),
        (1, 3),
        (frozenset(), frozenset((Tier.PREMIUM,))),
        by="cookie:session",
        per_tier=True,
        terms=BestOfTerms(
            look=0.05,
            look_ns=3 * SECOND_NS,
            memory_ns=4 * SECOND_NS,
            failure_ns=200 * MILLISECOND_NS,
            behind=2.0,
            level=1.5,
            out_after=7,
        ),
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"upstreams": ["a"]}, "at least 2 items"),
        ({"upstreams": ["a", "a"]}, "there twice"),
        ({"weights": {"c": 1}}, "weights names 'c', which is none of these upstreams: use one of"),
        ({"tiers": {"c": ["free"]}}, "tiers names 'c'"),
        ({"tiers": {"a": ["premium"], "b": ["premium"]}}, "is for the tier free: change tiers"),
        ({"tiers": {"a": ["premium"]}, "weights": {"b": 0}}, "is for the tier free"),
        ({"tiers": {"a": []}}, "at least 1 item"),
        ({"bind_by": "mood"}, "binds nobody"),
        ({"level_times": 1.3}, "level_times is above behind_times: lower it"),
        ({"look_percent": 21}, "less than or equal to 20"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], told: str) -> None:
    """With what is wrong and what to do."""
    with pytest.raises(ValidationError, match=told):
        BestOfSettings.model_validate({"upstreams": ["a", "b"]} | given)
