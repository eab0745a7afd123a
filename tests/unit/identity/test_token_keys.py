"""Key files, and which key a token is verified with."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.dsa import generate_private_key as dsa_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from lukhas.errors import ConfigError
from lukhas.identity.token_keys import VerificationKey, choose_key, read_key_file, secret_key
from tests.unit.identity import token_kit as kit

RSA = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}


def read(folder: Path, content: bytes | str) -> tuple[VerificationKey, ...]:
    return read_key_file(kit.key_file(folder, content))[0]


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        (kit.rsa_key(), RSA),
        (kit.p256_key(), {"ES256"}),
        (kit.p384_key(), {"ES384"}),
        (kit.ed_key(), {"EdDSA", "Ed25519"}),
    ],
)
def test_a_key_is_bound_to_its_algorithms(
    tmp_path: Path, key: kit.PrivateKey, algorithms: set[str]
) -> None:
    """From PEM or JWKS, a key verifies what is of its kind and curve, and nothing else."""
    (from_pem,) = read(tmp_path, kit.pem(key))
    (from_jwks,) = read(tmp_path, kit.jwks(kit.jwk(key, "k")))
    assert from_pem.algorithms == from_jwks.algorithms == algorithms
    assert (from_pem.key_id, from_jwks.key_id) == (None, "k")
    for algorithm in sorted(kit.ALL | {"HS256", "none", "ES512"}):
        signed = algorithm in algorithms
        made = kit.signature(algorithm, key, b"message") if signed else b""
        assert from_pem.verifies(algorithm, b"message", made) is signed
        assert not from_pem.verifies(algorithm, b"massage", made)


def test_a_bound_algorithm_is_the_only_one(tmp_path: Path) -> None:
    """`alg` of a key narrows what it is for (RFC 7517 section 4.4)."""
    (key,) = read(tmp_path, kit.jwks(kit.jwk(kit.rsa_key(), alg="PS256")))
    assert key.algorithms == {"PS256"}


def test_keys_for_something_else_are_passed_over(tmp_path: Path) -> None:
    """Encryption keys and unknown kinds and curves do no harm (RFC 7517 section 5)."""
    keys = read(
        tmp_path,
        kit.jwks(
            kit.jwk(kit.rsa_key(), "enc", use="enc"),
            kit.jwk(kit.rsa_key(), "ops", key_ops=["encrypt"]),
            kit.jwk(kit.rsa_key(), "text", key_ops="verify"),
            kit.jwk(kit.rsa_key(), "alg", alg="RSA-OAEP"),
            kit.jwk(kit.rsa_key(), "list", alg=["RS256"]),
            kit.jwk(kit.p521_key(), "p521"),
            kit.jwk(kit.ed448_key(), "ed448"),
            {"kty": "AKP", "kid": "new"},
            {"kid": "nothing"},
            {"kty": ["RSA"]},
            kit.jwk(kit.p256_key(), "good", use="sig", key_ops=["verify"]),
        ),
    )
    assert [key.key_id for key in keys] == ["good"]


def private(key: kit.PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def off_its_curve() -> dict[str, object]:
    return kit.jwk(kit.p256_key()) | {"y": kit.b64(b"\x01" * 32).decode()}


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "neither a JWKS nor PEM"),
        (b"\xff{", "neither a JWKS nor PEM"),
        (b"[" * 100_000, "neither a JWKS nor PEM"),
        ("[]", "no JWKS"),
        ('{"keys": {}}', "no JWKS"),
        ('{"keys": [1]}', "no JWKS"),
        ('{"keys": []}', "no key that"),
        (kit.jwks({"kty": "oct", "k": "AAAA"}), "holds a secret"),
        (kit.jwks(kit.jwk(kit.rsa_key()) | {"d": "AA"}), "private key"),
        (kit.jwks({"kty": "RSA", "n": "A", "e": "AQAB"}), "cannot be read"),
        (kit.jwks({"kty": "RSA"}), "bits"),
        (kit.jwks(kit.jwk(kit.rsa_key()) | {"e": 1}), "cannot be read"),
        (kit.jwks({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}), "cannot be read"),
        (kit.jwks(off_its_curve()), "cannot be read"),
        (kit.jwks({"kty": "OKP", "crv": "Ed25519", "x": "AA"}), "cannot be read"),
        (kit.jwks(kit.jwk(kit.rsa_key("small", 1024))), "1024 bits"),
        (kit.jwks(kit.jwk(kit.rsa_key()) | {"kid": 1}), "no text"),
        (kit.jwks(kit.jwk(kit.rsa_key(), "k"), kit.jwk(kit.rsa_key("b"), "k")), "the same id"),
        (kit.pem(kit.rsa_key()) + kit.pem(kit.p256_key()), "several blocks"),
        (private(kit.p256_key()), "private key"),
        (kit.pem(kit.rsa_key("small", 1024)), "1024 bits"),
        (kit.pem(kit.p521_key()), "not supported"),
        (kit.pem(kit.ed448_key()), "not supported"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no public key"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no public key"),
        (b" " * (1024 * 1024 + 1), "larger than 1 MiB"),
    ],
)
def test_a_file_that_is_not_good_is_refused(
    tmp_path: Path, content: bytes | str, what: str
) -> None:
    """The mistake names the file and what to put there, and shows nothing of what is in it."""
    with pytest.raises(ConfigError, match=what) as caught:
        read(tmp_path, content)
    assert caught.value.where == str(tmp_path / "keys")
    assert "JWKS" in caught.value.hint
    assert "AAAA" not in str(caught.value)


def test_other_kinds_of_keys_are_refused(tmp_path: Path) -> None:
    """DSA signs no tokens."""
    key = dsa_key(2048).public_key()
    with pytest.raises(ConfigError, match="not supported"):
        read(tmp_path, key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """With the reason of the operating system."""
    with pytest.raises(ConfigError, match="No such file"):
        read_key_file(tmp_path / "missing")


def test_which_key_counts(tmp_path: Path) -> None:
    """By id and algorithm; never by trying."""
    first, second, nameless = (kit.rsa_key(name) for name in ("rsa", "b", "c"))
    named = read(tmp_path, kit.jwks(kit.jwk(first, "1"), kit.jwk(second, "2")))
    mixed = read(tmp_path, kit.jwks(kit.jwk(first, "1"), kit.jwk(nameless)))
    assert choose_key(named, "RS256", "2") is named[1]
    assert choose_key(named, "RS256", "3") is None
    assert choose_key(named, "RS256", None) is None
    assert choose_key(named[:1], "RS256", None) is named[0]
    assert choose_key(named, "ES256", "1") is None
    assert choose_key(mixed, "RS256", "1") is mixed[0]
    assert choose_key(mixed, "RS256", "other") is mixed[1]


def test_a_secret_is_for_hmac_only() -> None:
    """The secret verifies HS256 and nothing else, and is not in the repr."""
    key = secret_key(kit.SECRET)
    assert key.algorithms == {"HS256"}
    made = kit.signature("HS256", kit.SECRET.encode(), b"m")
    assert key.verifies("HS256", b"m", made)
    assert not key.verifies("HS256", b"m", b"")
    assert kit.SECRET not in repr(key)
    assert json.dumps(sorted(key.algorithms)) == '["HS256"]'
