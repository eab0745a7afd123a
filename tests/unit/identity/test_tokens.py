"""Tokens, verified with real keys."""

import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from lukhas.errors import ConfigError, StoreError
from lukhas.identity.tokens import TokenVerifier, TrustedIssuer
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.access.tokens import TokenIssuer, TokenRejection
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import SECOND_NS
from tests.unit.identity import token_kit as kit
from tests.unit.identity.token_kit import CLAIMS, NOW_NS, NOW_S, SECRET, TERMS, token

KEY = "jwt:https%3A//login.example.com/:anna"
ANNA = Consumer(KEY, Tier.FREE, name="anna", credential_id=KEY)
KEYS = kit.jwks(
    kit.jwk(kit.rsa_key(), "r"),
    kit.jwk(kit.p256_key(), "e"),
    kit.jwk(kit.p384_key(), "f"),
    kit.jwk(kit.ed_key(), "d"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return kit.key_file(tmp_path, KEYS)


@pytest.fixture
def verifier(path: Path) -> TokenVerifier:
    return TokenVerifier([TrustedIssuer(TERMS, path)])


def hmac_verifier(**changes: object) -> TokenVerifier:
    terms = TokenIssuer(kit.ISSUER, kit.AUDIENCE, frozenset(("HS256",)))
    return TokenVerifier([TrustedIssuer(replace(terms, **changes), secret=SECRET)])  # type: ignore[arg-type]


@pytest.mark.parametrize("algorithm", sorted(kit.ALL))
@pytest.mark.parametrize("named", [True, False])
def test_every_algorithm_verifies(verifier: TokenVerifier, algorithm: str, named: bool) -> None:
    """A token of each kind is its consumer's, whether or not it names its key."""
    kid = {"R": "r", "P": "r", "E": "d"}[algorithm[0]] if algorithm[:2] != "ES" else None
    kid = {"ES256": "e", "ES384": "f"}.get(algorithm, kid)
    made = token(algorithm=algorithm, kid=kid if named else None)
    assert verifier.consumer_for(made, NOW_NS) == ANNA


def test_a_shared_secret_verifies() -> None:
    """HS256 works where a secret is set."""
    made = token(algorithm="HS256", key=SECRET.encode())
    assert hmac_verifier().consumer_for(made, NOW_NS) == ANNA
    other = token(algorithm="HS256", key=b"another secret of more than 32 bytes")
    assert hmac_verifier().consumer_for(other, NOW_NS) is TokenRejection.SIGNATURE


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (b"opaque", TokenRejection.FOREIGN),
        (b"a.b.c", TokenRejection.FOREIGN),
        (token(CLAIMS | {"iss": "https://other.example.com/"}), TokenRejection.FOREIGN),
        (token(CLAIMS | {"iss": kit.ISSUER.rstrip("/")}), TokenRejection.FOREIGN),
        (token(CLAIMS | {"iss": [kit.ISSUER]}), TokenRejection.FOREIGN),
        (token({"sub": "anna"}), TokenRejection.FOREIGN),
        (token(CLAIMS | {"x": "y" * 8200}), TokenRejection.TOO_LONG),
        (token(typ="logout+jwt"), TokenRejection.MALFORMED),
        (token(crit=["exp"]), TokenRejection.MALFORMED),
        (token(cty="JWT"), TokenRejection.MALFORMED),
        (token(algorithm="HS256", key=SECRET.encode()), TokenRejection.ALGORITHM),
        (token(kid="x"), TokenRejection.KEY),
        (token(kid="e"), TokenRejection.KEY),
        (token(key=kit.rsa_key("stranger")), TokenRejection.SIGNATURE),
        (token(CLAIMS | {"aud": "other"}), TokenRejection.AUDIENCE),
        (token(CLAIMS | {"exp": str(NOW_S + 9)}), TokenRejection.DATES),
        (token(CLAIMS | {"exp": NOW_S - 60}), TokenRejection.EXPIRED),
        (token(CLAIMS | {"nbf": NOW_S + 60}), TokenRejection.NOT_YET),
        (token(CLAIMS | {"sub": 1.5}), TokenRejection.CLAIMS),
    ],
)
def test_whatever_is_wrong_is_a_rejection(
    verifier: TokenVerifier, made: bytes, why: TokenRejection
) -> None:
    """The same answer at once and when it is remembered."""
    assert verifier.consumer_for(made, NOW_NS) is why
    assert verifier.consumer_for(made, NOW_NS) is why


@pytest.mark.parametrize("name", ["none", "None", "NONE", ""])
def test_no_signature_is_no_token(verifier: TokenVerifier, name: str) -> None:
    """`none`, however it is written and whatever stands for the signature (RFC 8725, 3.2)."""
    unsigned = token().rpartition(b".")[0].partition(b".")[2]
    header = kit.b64(json.dumps({"alg": name}).encode())
    for last in (b"", b"AA", token().rpartition(b".")[2]):
        made = b".".join((header, unsigned, last))
        assert isinstance(verifier.consumer_for(made, NOW_NS), TokenRejection)


def test_a_public_key_is_no_secret(tmp_path: Path) -> None:
    """An HMAC keyed with the public key in any of its forms does not verify (RFC 8725, 2.1)."""
    public = kit.pem(kit.rsa_key())
    terms = replace(TERMS, algorithms=kit.ALL | {"HS256"})
    trusted = TrustedIssuer(terms, kit.key_file(tmp_path, public), SECRET)
    verifier = TokenVerifier([trusted])
    assert verifier.consumer_for(token(), NOW_NS) == ANNA
    for key in (public, public.strip(), json.dumps(kit.jwk(kit.rsa_key())).encode()):
        made = token(algorithm="HS256", key=key)
        assert verifier.consumer_for(made, NOW_NS) is TokenRejection.SIGNATURE


def test_an_algorithm_is_bound_to_its_key(verifier: TokenVerifier) -> None:
    """A signature made with one algorithm is none under the name of another."""
    for named, made_with in (("PS256", "RS256"), ("RS256", "PS256"), ("RS512", "RS256")):
        header = kit.b64(json.dumps({"alg": named}).encode())
        payload = token().split(b".")[1]
        message = header + b"." + payload
        made = message + b"." + kit.b64(kit.signature(made_with, kit.rsa_key(), message))
        assert verifier.consumer_for(made, NOW_NS) is TokenRejection.SIGNATURE


def test_keys_in_a_token_are_not_looked_at(verifier: TokenVerifier) -> None:
    """Neither a key in the header nor the address of one counts (RFC 8725, 3.10)."""
    stranger = kit.rsa_key("stranger")
    inside: dict[str, Any] = {
        "jwk": kit.jwk(stranger),
        "jku": "https://login.example.com/keys",
        "x5c": ["AA"],
    }
    made = token(key=stranger, **inside)
    assert verifier.consumer_for(made, NOW_NS) is TokenRejection.SIGNATURE
    assert verifier.consumer_for(token(**inside), NOW_NS) == ANNA


def test_psychic_signatures_are_refused(verifier: TokenVerifier) -> None:
    """CVE-2022-21449: r = s = 0 is no signature, in either form."""
    message = token(algorithm="ES256").rpartition(b".")[0]
    for forged in (bytes(64), encode_dss_signature(0, 0), bytes(63)):
        made = message + b"." + kit.b64(forged)
        assert verifier.consumer_for(made, NOW_NS) is TokenRejection.SIGNATURE


def test_issuers_have_their_own_keys(tmp_path: Path) -> None:
    """A key of one issuer signs nothing in the name of another."""
    other = replace(TERMS, issuer="https://other.example.com/")
    second = tmp_path / "second"
    second.write_bytes(kit.pem(kit.rsa_key("second")))
    first = TrustedIssuer(TERMS, kit.key_file(tmp_path, kit.pem(kit.rsa_key())))
    verifier = TokenVerifier([first, TrustedIssuer(other, second)])
    claims = CLAIMS | {"iss": other.issuer}
    assert verifier.consumer_for(token(claims), NOW_NS) is TokenRejection.SIGNATURE
    found = verifier.consumer_for(token(claims, key=kit.rsa_key("second")), NOW_NS)
    assert isinstance(found, Consumer)
    assert found.key != ANNA.key


def test_a_verified_token_is_remembered(verifier: TokenVerifier) -> None:
    """The same object, so no second verification, for 60 s and then verified again."""
    made = token()
    found = verifier.consumer_for(made, NOW_NS)
    assert verifier.consumer_for(bytes(bytearray(made)), NOW_NS + 59 * SECOND_NS) is found
    again = verifier.consumer_for(made, NOW_NS + 60 * SECOND_NS)
    assert again == found
    assert again is not found


def test_a_remembered_token_ends_in_time(verifier: TokenVerifier) -> None:
    """Being remembered gives a token no life beyond `exp` and the leeway."""
    made = token(CLAIMS | {"exp": NOW_S + 5})
    end_ns = NOW_NS + 5 * SECOND_NS + TERMS.leeway_ns
    assert verifier.consumer_for(made, NOW_NS) == ANNA
    assert verifier.consumer_for(made, end_ns - 1) == ANNA
    assert verifier.consumer_for(made, end_ns) is TokenRejection.EXPIRED


def test_a_token_that_was_too_early_works_in_time(verifier: TokenVerifier) -> None:
    """`not valid yet` is the one refusal that is not remembered."""
    made = token(CLAIMS | {"nbf": NOW_S + 60})
    assert verifier.consumer_for(made, NOW_NS) is TokenRejection.NOT_YET
    assert verifier.consumer_for(made, NOW_NS + 30 * SECOND_NS) == ANNA


def test_changed_keys_count_within_a_second(verifier: TokenVerifier, path: Path) -> None:
    """A key that is taken out stops working, also for tokens that are remembered."""
    made = token(kid="r")
    stranger = token(kid="s", key=kit.rsa_key("stranger"))
    assert verifier.consumer_for(made, NOW_NS) == ANNA
    assert verifier.consumer_for(stranger, NOW_NS) is TokenRejection.KEY
    path.write_text(kit.jwks(kit.jwk(kit.rsa_key("stranger"), "s")), encoding="ascii")
    assert verifier.consumer_for(made, NOW_NS + SECOND_NS - 1) == ANNA
    assert verifier.consumer_for(made, NOW_NS + SECOND_NS) is TokenRejection.KEY
    assert verifier.consumer_for(stranger, NOW_NS + SECOND_NS) == ANNA


def test_a_file_that_is_the_same_is_not_read_again(verifier: TokenVerifier) -> None:
    """What is remembered stays while nothing changes."""
    found = verifier.consumer_for(token(), NOW_NS)
    assert verifier.consumer_for(token(), NOW_NS + 2 * SECOND_NS) is found


def test_a_broken_file_leaves_the_keys_before(
    verifier: TokenVerifier, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a file is no reason to refuse everybody; health and one line of the log tell it."""
    made = token()
    assert verifier.consumer_for(made, NOW_NS) == ANNA
    assert verifier.failure == ""
    path.write_text("{", encoding="ascii")
    for second in (1, 2, 3):
        assert verifier.consumer_for(made, NOW_NS + second * SECOND_NS) == ANNA
    assert "neither a JWKS nor PEM" in verifier.failure
    assert len(caplog.records) == 1
    path.unlink()
    for second in (4, 5):
        assert verifier.consumer_for(made, NOW_NS + second * SECOND_NS) == ANNA
    assert "cannot be read" in verifier.failure
    path.write_text(KEYS, encoding="ascii")
    assert verifier.consumer_for(made, NOW_NS + 6 * SECOND_NS) == ANNA
    assert verifier.failure == ""


def test_a_file_that_was_replaced_within_one_tick_is_noticed(path: Path) -> None:
    """Same size and same time of change: it is another file all the same."""
    verifier = TokenVerifier([TrustedIssuer(TERMS, path)])
    made = token(kid="r")
    assert verifier.consumer_for(made, NOW_NS) == ANNA
    facts = path.stat()
    new = path.with_name("new")
    new.write_text(KEYS.replace('"kid": "r"', '"kid": "q"'), encoding="ascii")
    os.utime(new, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    new.replace(path)
    assert verifier.consumer_for(made, NOW_NS + SECOND_NS) is TokenRejection.KEY


def test_without_keys_the_answer_is_a_failure(tmp_path: Path) -> None:
    """A file that could never be read refuses to start, and fails closed after."""
    verifier = TokenVerifier([TrustedIssuer(TERMS, tmp_path / "missing")])
    with pytest.raises(ConfigError, match="cannot be read"):
        verifier.open()
    for _ in range(2):
        with pytest.raises(StoreError):
            verifier.consumer_for(token(), NOW_NS)
    kit.key_file(tmp_path, KEYS).rename(tmp_path / "missing")
    assert verifier.consumer_for(token(), NOW_NS) == ANNA


def test_memory_is_bounded() -> None:
    """However many tokens come, right or wrong, no more than the capacity is kept."""
    terms = TokenIssuer(kit.ISSUER, kit.AUDIENCE, frozenset(("HS256",)))
    verifier = TokenVerifier([TrustedIssuer(terms, secret=SECRET)], capacity=8)
    for number in range(50):
        claims = CLAIMS | {"sub": f"user {number}"}
        right = token(claims, algorithm="HS256", key=SECRET.encode())
        assert isinstance(verifier.consumer_for(right, NOW_NS), Consumer)
        wrong = token(claims, algorithm="HS256", key=b"another")
        assert verifier.consumer_for(wrong, NOW_NS) is TokenRejection.SIGNATURE
    assert len(verifier._accepted) <= 8
    assert len(verifier._refused) <= 8


def test_what_a_token_says_is_taken_over() -> None:
    """Tier, tenant and kept claims."""
    verifier = hmac_verifier(
        tier_claim="plan",
        tiers={"gold": Tier.PREMIUM},
        tenant_claim="org",
        keep_claims=("plan", "team"),
    )
    claims = CLAIMS | {"plan": "gold", "org": "acme", "team": 7, "email": "a@example.com"}
    found = verifier.consumer_for(token(claims, algorithm="HS256", key=SECRET.encode()), NOW_NS)
    wanted = replace(ANNA, tier=Tier.PREMIUM, tenant="acme")
    assert found == replace(wanted, claims=(("plan", "gold"), ("team", "7")))


def test_nothing_secret_is_shown(
    tmp_path: Path, verifier: TokenVerifier, caplog: pytest.LogCaptureFixture
) -> None:
    """No secret in a repr; neither tokens nor what they say in the log."""
    assert SECRET not in repr(TrustedIssuer(TERMS, secret=SECRET))
    with caplog.at_level(logging.DEBUG):
        for made in (token(), token(key=kit.rsa_key("stranger"))):
            verifier.consumer_for(made, NOW_NS)
        kit.key_file(tmp_path, "{")
        verifier.consumer_for(token(), NOW_NS + SECOND_NS)
    assert "anna" not in caplog.text
    assert "eyJ" not in caplog.text


def test_a_secret_needs_no_second_look() -> None:
    """Without a file nothing changes: what is remembered stays beyond the next look."""
    verifier = hmac_verifier()
    verifier.open()
    found = verifier.consumer_for(token(algorithm="HS256", key=SECRET.encode()), NOW_NS)
    made = token(algorithm="HS256", key=SECRET.encode())
    assert verifier.consumer_for(made, NOW_NS + 2 * SECOND_NS) == found == ANNA
    assert verifier.failure == ""
