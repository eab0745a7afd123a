"""Whom client certificates stand for."""

import pytest

from lukhas.policy.access.certificates import (
    CertificateRule,
    ClientCertificate,
    consumer_of_certificate,
)
from lukhas.policy.rate_limiting.tiers import Tier

ANNA = ClientCertificate("ab" * 32, "anna", frozenset(("anna@example.com", "host.example.com")))


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ({"common_name": "anna"}, True),
        ({"common_name": "bert"}, False),
        ({"san": "host.example.com"}, True),
        ({"san": "example.com"}, False),
        ({"fingerprint": "ab" * 32}, True),
        ({"fingerprint": "cd" * 32}, False),
        ({"common_name": "anna", "san": "other.example.com"}, False),
    ],
)
def test_all_that_a_rule_names_has_to_fit(rule: dict[str, str], *, fits: bool) -> None:
    """What it does not name is not looked at."""
    made = CertificateRule("anna", Tier.BASIC, **rule)
    assert made.fits(ANNA) is fits


def test_the_first_rule_that_fits_counts() -> None:
    """It makes the consumer, with the certificate as the credential."""
    rules = [
        CertificateRule("bert", Tier.FREE, common_name="bert"),
        CertificateRule("anna", Tier.PREMIUM, tenant="acme", common_name="anna"),
        CertificateRule("all", Tier.FREE, san="anna@example.com"),
    ]
    consumer = consumer_of_certificate(ANNA, rules)
    assert consumer is not None
    assert (consumer.name, consumer.tier, consumer.tenant) == ("anna", Tier.PREMIUM, "acme")
    assert consumer.key == "cert:acme:anna"
    assert consumer.credential_id == ANNA.fingerprint
    assert not consumer.is_anonymous


def test_two_certificates_of_one_consumer_share_its_limits() -> None:
    """The key is that of the consumer, not of the certificate."""
    rules = [CertificateRule("anna", Tier.BASIC, common_name="anna")]
    other = ClientCertificate("cd" * 32, "anna")
    keys = {each.key for each in (consumer_of_certificate(c, rules) for c in (ANNA, other)) if each}
    assert keys == {"cert:anna"}


def test_without_a_rule_there_is_nobody() -> None:
    """The holder is anonymous then."""
    assert consumer_of_certificate(ANNA, ()) is None
