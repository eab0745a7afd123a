"""What is left of a plan while its store does not answer."""

from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.fallback import fallback_for
from lukhas.policy.rate_limiting.leases import LeaseSettings, slice_of
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.plans import plan_for
from lukhas.policy.rate_limiting.policies import LimitPolicy, OnStoreError
from lukhas.policy.rate_limiting.tiers import Tier


def test_only_enforced_policies_deny() -> None:
    """One in shadow mode refuses nothing, also then."""
    limits = parse_limits("5/minute", policy="trial")
    for mode, denies in ((Mode.SHADOW, ""), (Mode.ENFORCE, "trial")):
        policy = LimitPolicy("trial", limits, mode=mode, on_store_error=OnStoreError.DENY)
        plan = plan_for(Tier.FREE, (), (policy,), route="r")
        found = fallback_for(plan, shares=2)
        assert (found.denies, found.kept) == (denies, ())


def test_near_the_end_each_request_is_asked_about() -> None:
    """With less than a tenth left, a slice is what the request costs."""
    settings = LeaseSettings()
    assert slice_of(settings, cost=2, room=9, quota=100, wanted=50, last=8) == 2
