"""Real keys, and tokens of any form, signed with `cryptography` itself."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey, OKPKey

from lukhas.policy.access.tokens import TokenIssuer
from lukhas.units import SECOND_NS

NOW_S = 1_800_000_000
NOW_NS = NOW_S * SECOND_NS
ISSUER = "https://login.example.com/"
AUDIENCE = "https://api.example.com"
SECRET = "a secret that is longer than 32 bytes"
ALL = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "Ed25519")
)
TERMS = TokenIssuer(ISSUER, AUDIENCE, algorithms=ALL)
CLAIMS: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "sub": "anna", "exp": NOW_S + 300}

HASHES: Mapping[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}


@cache
def rsa_key(name: str = "rsa", bits: int = 2048) -> rsa.RSAPrivateKey:
    assert name
    return rsa.generate_private_key(65_537, bits)


@cache
def p256_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def p384_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


@cache
def p521_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP521R1())


@cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


@cache
def ed448_key() -> ed448.Ed448PrivateKey:
    return ed448.Ed448PrivateKey.generate()


PrivateKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
)


def key_of(algorithm: str) -> PrivateKey:
    """The key that the tests use for an algorithm."""
    if algorithm == "ES256":
        return p256_key()
    if algorithm == "ES384":
        return p384_key()
    return ed_key() if algorithm.startswith("Ed") else rsa_key()


def pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwk(key: PrivateKey, kid: str | None = None, **members: Any) -> dict[str, Any]:
    found: dict[str, Any]
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        modulus = b64(numbers.n.to_bytes(key.key_size // 8, "big")).decode()
        found = {"kty": "RSA", "n": modulus, "e": "AQAB"}
    else:
        kind = ECKey if isinstance(key, ec.EllipticCurvePrivateKey) else OKPKey
        found = kind.import_key(pem(key)).as_dict(private=False)
    found.pop("kid", None)
    return found | ({} if kid is None else {"kid": kid}) | members


def jwks(*members: Mapping[str, Any]) -> str:
    return json.dumps({"keys": list(members)})


def b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def signature(algorithm: str, key: PrivateKey | bytes, message: bytes) -> bytes:
    if isinstance(key, bytes):
        return hmac.digest(key, message, hashlib.sha256)
    if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
        return key.sign(message)
    digest = HASHES[algorithm[2:]]
    if isinstance(key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return key.sign(message, pss if algorithm[:2] == "PS" else padding.PKCS1v15(), digest)
    size = (key.curve.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(digest)))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def token(
    claims: Mapping[str, Any] | bytes = CLAIMS,
    *,
    algorithm: str = "RS256",
    key: PrivateKey | bytes | None = None,
    kid: str | None = None,
    **header: Any,
) -> bytes:
    """A token with a right signature of `key`, whatever else is wrong with it."""
    members = {"alg": algorithm} | ({} if kid is None else {"kid": kid}) | header
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    message = b64(json.dumps(members).encode()) + b"." + b64(body)
    return message + b"." + b64(signature(algorithm, key or key_of(algorithm), message))


def key_file(folder: Path, content: bytes | str) -> Path:
    path = folder / "keys"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
