"""What a verified token allows, and whom it stands for."""

from dataclasses import replace
from typing import Any

import pytest

from lukhas.policy.access.consumers import Consumer
from lukhas.policy.access.tokens import (
    TokenIssuer,
    TokenRejection,
    token_consumer,
    token_until_ns,
)
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import SECOND_NS

NOW_S = 1_800_000_000
NOW_NS = NOW_S * SECOND_NS
LEEWAY_S = 30
ISSUER = TokenIssuer("https://i", "api", leeway_ns=LEEWAY_S * SECOND_NS)
GOOD: dict[str, Any] = {"iss": "https://i", "aud": "api", "sub": "anna", "exp": NOW_S + 60}


def until(now_ns: int = NOW_NS, **changes: Any) -> int | TokenRejection:
    return token_until_ns(ISSUER, GOOD | changes, now_ns)


def test_a_token_ends_with_its_exp_and_the_leeway() -> None:
    """The last nanosecond counts; fractions of seconds are taken."""
    end_ns = (NOW_S + 60 + LEEWAY_S) * SECOND_NS
    assert until() == until(end_ns - 1) == end_ns
    assert until(end_ns) is TokenRejection.EXPIRED
    assert until(exp=NOW_S + 60.5) == end_ns + SECOND_NS // 2


def test_exp_is_needed() -> None:
    """A token without an end would never end."""
    claims = {name: value for name, value in GOOD.items() if name != "exp"}
    assert token_until_ns(ISSUER, claims, NOW_NS) is TokenRejection.DATES


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value",
    [None, True, "1800000000", [NOW_S], -1, float("inf"), 1e300, 253_402_300_800, 10**400],
)
def test_dates_are_numbers_of_seconds(name: str, value: object) -> None:
    """Text, truth values, endless and absurd numbers are no dates."""
    assert token_until_ns(ISSUER, GOOD | {name: value}, NOW_NS) is TokenRejection.DATES


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_what_starts_in_the_future_is_not_valid_yet(name: str) -> None:
    """Up to the leeway is the difference of two clocks."""
    assert not isinstance(until(**{name: NOW_S + LEEWAY_S}), TokenRejection)
    assert until(**{name: NOW_S + LEEWAY_S + 1}) is TokenRejection.NOT_YET


@pytest.mark.parametrize("audience", ["api", ["api"], ["other", "api"]])
def test_the_audience_is_named(audience: object) -> None:
    """By itself or among others."""
    assert not isinstance(until(aud=audience), TokenRejection)


@pytest.mark.parametrize(
    "audience", [None, "", "API", "api/", [], ["other"], {"api": 1}, [1, "api"]]
)
def test_another_audience_is_refused(audience: object) -> None:
    """Exactly, letter by letter; a list holds texts only."""
    assert until(aud=audience) is TokenRejection.AUDIENCE


def test_the_consumer_of_a_plain_token() -> None:
    """Key, name and credential are those of issuer and subject; nothing else is kept."""
    key = "jwt:https%3A//i:anna"
    consumer = token_consumer(ISSUER, GOOD | {"email": "a@example.com"})
    assert consumer == Consumer(key, Tier.FREE, name="anna", credential_id=key)


def test_no_two_consumers_share_a_key() -> None:
    """Wherever the colons are."""
    pairs = [("a", "b:c"), ("a:b", "c"), ("a%3Ab", "c"), ("a", "b%3Ac"), ("a:", "b"), ("a", ":b")]
    keys = set()
    for issuer, subject in pairs:
        found = token_consumer(TokenIssuer(issuer, "api"), {"sub": subject})
        assert isinstance(found, Consumer)
        keys.add(found.key)
    assert len(keys) == len(pairs)


def test_tier_by_a_claim() -> None:
    """What is not in the table, and what is not said, is of the default tier."""
    issuer = replace(
        ISSUER,
        tier_claim="plan",
        tiers={"gold": Tier.PREMIUM, "true": Tier.INTERNAL, "3": Tier.ENTERPRISE},
        default_tier=Tier.BASIC,
    )
    found = {
        value: token_consumer(issuer, GOOD | {"plan": value})
        for value in ("gold", "silver", "", None, True, 3)
    }
    tiers = [each.tier for each in found.values() if isinstance(each, Consumer)]
    assert tiers == [
        Tier.PREMIUM,
        Tier.BASIC,
        Tier.BASIC,
        Tier.BASIC,
        Tier.INTERNAL,
        Tier.ENTERPRISE,
    ]


@pytest.mark.parametrize("value", [None, "", "a b", "-a", "a" * 65, 1.5, ["acme"], "ä"])
def test_a_tenant_that_is_not_clear_is_refused(value: object) -> None:
    """Where tenants are told apart, a token belongs to one, or to nobody."""
    issuer = replace(ISSUER, tenant_claim="org")
    assert token_consumer(issuer, GOOD | {"org": value}) is TokenRejection.CLAIMS


def test_the_tenant_of_a_token() -> None:
    """As keys have it."""
    found = token_consumer(replace(ISSUER, tenant_claim="org"), GOOD | {"org": "acme.de_1-2"})
    assert isinstance(found, Consumer)
    assert found.tenant == "acme.de_1-2"


@pytest.mark.parametrize(
    "value", [None, "", 1.5, [], ["a"], {}, "a\nb", "\x7f", "\ud800", "a" * 256, 1 << 64]
)
def test_who_calls_must_be_clear(value: object) -> None:
    """Missing, long, unprintable or of another kind: nobody."""
    assert token_consumer(ISSUER, GOOD | {"sub": value}) is TokenRejection.CLAIMS


def test_kept_claims_are_text() -> None:
    """In the order of the settings; what is missing is left out."""
    issuer = replace(ISSUER, keep_claims=("b", "a", "c", "d", "e"))
    found = token_consumer(issuer, GOOD | {"a": "x", "b": -7, "c": False, "d": None, "f": 1})
    assert isinstance(found, Consumer)
    assert found.claims == (("b", "-7"), ("a", "x"), ("c", "false"))
    assert [found.claim(name) for name in ("a", "b", "d", "f")] == ["x", "-7", "", ""]


@pytest.mark.parametrize("value", [1.5, ["x"], {"x": 1}, "a" * 256, "\x00"])
@pytest.mark.parametrize("named", [{"keep_claims": ("x",)}, {"tier_claim": "x"}])
def test_a_named_claim_of_another_form_is_refused(named: dict[str, Any], value: object) -> None:
    """A limit that is counted by a claim must not be dodged by an odd value of it."""
    issuer = replace(ISSUER, **named)
    assert token_consumer(issuer, GOOD | {"x": value}) is TokenRejection.CLAIMS
    assert isinstance(token_consumer(ISSUER, GOOD | {"x": value}), Consumer)
