"""Tokens under arbitrary change."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lukhas.identity.tokens import TokenVerifier, TrustedIssuer
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.access.tokens import TokenRejection, token_consumer, token_until_ns
from lukhas.units import SECOND_NS
from tests.unit.identity import token_kit as kit
from tests.unit.identity.token_kit import CLAIMS, NOW_NS, TERMS, b64, token

ALGORITHMS = ("RS256", "ES256", "EdDSA")
TOKENS = {algorithm: token(algorithm=algorithm) for algorithm in ALGORITHMS}
OTHERS = {
    algorithm: token(CLAIMS | {"sub": "bert"}, algorithm=algorithm) for algorithm in ALGORITHMS
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> TokenVerifier:
    folder: Path = tmp_path_factory.mktemp("keys")
    keys = kit.jwks(*(kit.jwk(kit.key_of(algorithm)) for algorithm in ALGORITHMS))
    return TokenVerifier([TrustedIssuer(TERMS, kit.key_file(folder, keys))])


@given(st.sampled_from(ALGORITHMS), st.data())
def test_a_changed_token_never_verifies(
    verifier: TokenVerifier, algorithm: str, data: st.DataObject
) -> None:
    """Bytes replaced, left out, put in, doubled or cut: a rejection, never anything else."""
    made = TOKENS[algorithm]
    assert isinstance(verifier.consumer_for(made, NOW_NS), Consumer)
    start = data.draw(st.integers(0, len(made)))
    end = data.draw(st.integers(start, min(len(made), start + 40)))
    alphabet = st.binary(max_size=8) | st.text("AZaz09-_.=", max_size=8).map(str.encode)
    changed = made[:start] + data.draw(alphabet) + made[end:]
    if changed != made:
        assert isinstance(verifier.consumer_for(changed, NOW_NS), TokenRejection)


@given(st.sampled_from(ALGORITHMS), st.sampled_from(ALGORITHMS), st.integers(0, 2))
def test_parts_of_two_tokens_make_none(
    verifier: TokenVerifier, first: str, second: str, part: int
) -> None:
    """Header, claims or signature of another good token do not fit."""
    other = OTHERS[second].split(b".")
    made = TOKENS[first].split(b".")
    if made[part] != other[part]:
        made[part] = other[part]
        assert isinstance(verifier.consumer_for(b".".join(made), NOW_NS), TokenRejection)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer(verifier: TokenVerifier, presented: bytes) -> None:
    """Nothing raises."""
    assert verifier.consumer_for(presented, NOW_NS) is TokenRejection.FOREIGN


@given(st.dictionaries(st.sampled_from(("alg", "kid", "typ", "cty", "crit", "x")), JSON))
def test_any_header_is_an_answer(verifier: TokenVerifier, header: dict[str, Any]) -> None:
    """With the signature of another token none verifies, and none raises."""
    message = b64(json.dumps(header).encode()) + b"." + b64(json.dumps(CLAIMS).encode())
    presented = message + b"." + TOKENS["RS256"].rpartition(b".")[2]
    if message != TOKENS["RS256"].rpartition(b".")[0]:
        assert isinstance(verifier.consumer_for(presented, NOW_NS), TokenRejection)


@given(st.dictionaries(st.sampled_from(("aud", "sub", "exp", "nbf", "iat", "org", "x")), JSON))
def test_any_claims_are_an_answer(changes: dict[str, Any]) -> None:
    """Even of a verified token, no claim raises; an end is never beyond `exp` and the leeway."""
    claims = dict(CLAIMS) | changes
    until = token_until_ns(TERMS, claims, NOW_NS)
    if not isinstance(until, TokenRejection):
        assert NOW_NS < until <= (claims["exp"] + 1) * SECOND_NS + TERMS.leeway_ns
    found = token_consumer(TERMS, claims)
    if isinstance(found, Consumer):
        assert found.key.encode("utf-8").startswith(b"jwt:")
