"""Consumers."""

from lukhas.policy.access.consumers import Consumer, anonymous
from lukhas.policy.rate_limiting.tiers import Tier


def test_an_anonymous_consumer_is_its_address() -> None:
    """Known only by its address, tier FREE, without a name or a credential."""
    assert anonymous("203.0.113.9") == Consumer("addr:203.0.113.9", Tier.FREE)
    assert anonymous("203.0.113.9").is_anonymous


def test_other_consumers_are_not_anonymous() -> None:
    """Who has a key or a user name is somebody, even if the name looks like an address."""
    assert not Consumer("key:1", Tier.FREE).is_anonymous
    assert not Consumer("user:addr:1", Tier.FREE).is_anonymous


def test_a_consumer_has_no_name_tenant_or_credential_unless_said() -> None:
    """Empty, so that metrics and logs need no special case."""
    consumer = Consumer("key:1", Tier.BASIC)
    assert (consumer.name, consumer.tenant, consumer.credential_id) == ("", "", "")


def test_claims_are_found_by_name() -> None:
    """What is not there is empty."""
    consumer = Consumer("jwt:i:1", Tier.BASIC, claims=(("plan", "gold"), ("team", "7")))
    assert [consumer.claim(name) for name in ("plan", "team", "x")] == ["gold", "7", ""]
    assert anonymous("203.0.113.9").claim("plan") == ""
