"""Settings of the priority lane."""

from typing import Any

import pytest
from pydantic import ValidationError

from lukhas.config.checks import check_settings
from lukhas.config.priority_lane import PriorityLaneSettings, lane_terms
from lukhas.config.settings import Settings
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.priority_lane import LaneTerms


def test_it_is_off_until_somebody_has_it() -> None:
    """Other settings do not put it on."""
    assert lane_terms(PriorityLaneSettings()) is None
    assert lane_terms(PriorityLaneSettings(oldest_every=9)) is None


def test_everything_can_be_set() -> None:
    """As the policy has it."""
    given = {
        "tiers": ["premium", "internal"],
        "routes": ["checkout"],
        "oldest_every": 8,
        "give_way_percent": 25,
        "most_times": 3,
    }
    settings = PriorityLaneSettings.model_validate(given)
    assert lane_terms(settings) == LaneTerms(
        frozenset((Tier.PREMIUM, Tier.INTERNAL)),
        frozenset(("checkout",)),
        oldest_every=8,
        give_way=0.25,
        most_times=3.0,
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"tiers": ["gold"]}, "premium"),
        ({"tiers": [tier.value for tier in Tier]}, "every tier has the lane, so none has: leave"),
        ({"oldest_every": 1}, "greater than or equal to 2"),
        ({"give_way_percent": 100}, "less than or equal to 90"),
        ({"most_times": 0.5}, "greater than or equal to 1"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], told: str) -> None:
    """With the reason."""
    with pytest.raises(ValidationError, match=told):
        PriorityLaneSettings.model_validate(given)


@pytest.mark.parametrize(
    ("routes", "hint"),
    [
        ([], "there are none yet"),
        ([{"name": "pay", "path": "/pay"}], "name one of the routes (pay)"),
    ],
)
def test_a_route_that_does_not_exist_is_told(routes: list[dict[str, str]], hint: str) -> None:
    """A wrong name would leave the route outside the lane unnoticed."""
    lane = {"priority_lane": {"routes": ["checkout"]}}
    upstream = {"url": "http://a.test", "balancing": lane}
    settings = Settings.model_validate({"upstream": upstream, "routes": routes})
    (finding,) = check_settings(settings, needs_upstream=True)
    assert finding.path == ("upstream", "balancing", "priority_lane", "routes", 0)
    assert "'checkout', which does not exist" in finding.what
    assert hint in finding.hint
