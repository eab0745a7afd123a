"""The keys that tokens are verified with, and the files they come from."""

import json
import os
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from lukhas.errors import ConfigError

__all__ = ("VerificationKey", "choose_key", "read_key_file", "secret_key")

_MAX_FILE_BYTES = 1024 * 1024
_MIN_RSA_BITS = 2048
# Larger ones only make each verification slower.
_MAX_RSA_BITS = 8192

_RSA = frozenset(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"))
# By key type and curve: a key is never used with an algorithm of another kind (RFC 8725, 3.1).
_ALGORITHMS: Mapping[tuple[str, str], frozenset[str]] = {
    ("RSA", ""): _RSA,
    ("EC", "P-256"): frozenset(("ES256",)),
    ("EC", "P-384"): frozenset(("ES384",)),
    ("OKP", "Ed25519"): frozenset(("EdDSA", "Ed25519")),
}
# What makes up a public key; the rest of its members is read here.
_MATERIAL = frozenset(("kty", "crv", "n", "e", "x", "y"))
_KINDS = "RSA of 2048 to 8192 bits, EC on P-256 or P-384, or Ed25519"
_HINT = "put public keys there, as a JWKS or as one PEM: " + _KINDS


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One key, bound to the algorithms that it may be used with.

    Attributes:
        key_id: its `kid`; None if it has none.
        algorithms: what it verifies.
        key: the key itself. Not in the repr.
    """

    key_id: str | None
    algorithms: frozenset[str]
    key: Key = field(repr=False)

    def verifies(self, algorithm: str, signing_input: bytes, signature: bytes) -> bool:
        """Whether this key made the signature, with an algorithm that is one of its own."""
        if algorithm not in self.algorithms:
            return False
        # The old name stands for two curves (RFC 9864); only this one is among our keys.
        name = "Ed25519" if algorithm == "EdDSA" else algorithm
        model = JWSRegistry.algorithms[name]
        model.check_key(self.key)
        return bool(model.verify(signing_input, signature, self.key))


def choose_key(
    keys: Sequence[VerificationKey], algorithm: str, key_id: str | None
) -> VerificationKey | None:
    """The one key that a token is to be verified with; None if there is none, or a choice.

    A key with an id is for tokens that name it, and for those that name none; a key without one
    for all whose id no key has.
    """
    fitting = [key for key in keys if algorithm in key.algorithms]
    if key_id is not None:
        named = [key for key in fitting if key.key_id == key_id]
        fitting = named or [key for key in fitting if key.key_id is None]
    return fitting[0] if len(fitting) == 1 else None


def secret_key(secret: str) -> VerificationKey:
    """The key of an issuer who shares a secret with us."""
    return VerificationKey(None, frozenset(("HS256",)), OctKey.import_key(secret.encode("utf-8")))


def read_key_file(path: Path) -> tuple[tuple[VerificationKey, ...], os.stat_result]:
    """The public keys in a JWKS (RFC 7517 section 5) or PEM file, and what the file was then.

    Keys of a JWKS that are for something else, or of a kind not known here, are passed over.

    Raises:
        ConfigError: the file cannot be read, holds no key that can be used, or a private one. The
            message shows nothing of what it holds.
    """
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            text = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        what = f"the keys cannot be read ({error.strerror})"
        raise ConfigError(what, where=str(path), hint="name a file that can be read") from None
    if len(text) > _MAX_FILE_BYTES:
        raise ConfigError("the key file is larger than 1 MiB", where=str(path), hint=_HINT)
    try:
        keys = _from_pem(text) if text.lstrip().startswith(b"-----BEGIN") else _from_jwks(text)
    except _UnusableKeyError as error:
        raise ConfigError(str(error), where=str(path), hint=_HINT) from None
    return keys, facts


class _UnusableKeyError(ValueError):
    """Says why; never shows the key."""


def _from_pem(text: bytes) -> tuple[VerificationKey, ...]:
    if text.count(b"-----BEGIN") > 1:
        raise _UnusableKeyError("the PEM file holds several blocks")
    if b"PRIVATE KEY" in text:
        raise _UnusableKeyError("the file holds a private key")
    try:
        public = load_pem_public_key(text)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _UnusableKeyError("the PEM file holds no public key") from None
    key: Key
    if isinstance(public, RSAPublicKey):
        _check_size(public.key_size)
        key = RSAKey.import_key(text)
    elif isinstance(public, EllipticCurvePublicKey):
        key = _imported(ECKey, text)
    elif isinstance(public, Ed25519PublicKey):
        key = OKPKey.import_key(text)
    else:
        raise _UnusableKeyError("the key is of a kind that is not supported")
    found = _verification_key(key, {})
    if found is None:
        raise _UnusableKeyError("the key is of a kind that is not supported")
    return (found,)


def _from_jwks(text: bytes) -> tuple[VerificationKey, ...]:
    try:
        document = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise _UnusableKeyError("the file is neither a JWKS nor PEM") from None
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list) or not all(isinstance(each, dict) for each in members):
        raise _UnusableKeyError("the file is JSON, but no JWKS")
    found = [key for each in members if (key := _from_jwk(each)) is not None]
    if not found:
        raise _UnusableKeyError("the JWKS holds no key that signatures can be verified with")
    ids = [(key.key_id, key.algorithms) for key in found if key.key_id is not None]
    if len(set(ids)) != len(ids):
        raise _UnusableKeyError("two keys of the JWKS have the same id")
    return tuple(found)


def _from_jwk(member: Mapping[str, Any]) -> VerificationKey | None:
    kind = member.get("kty")
    if kind == "oct":
        raise _UnusableKeyError("the JWKS holds a secret")
    if "d" in member:
        raise _UnusableKeyError("the JWKS holds a private key")
    operations = member.get("key_ops")
    is_for_verifying = member.get("use", "sig") == "sig" and (
        operations is None or (isinstance(operations, list) and "verify" in operations)
    )
    classes: Mapping[object, type[Key]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    # Of a kind that we do not understand: to be ignored (RFC 7517 section 5).
    curve = "" if kind == "RSA" else member.get("crv")
    if not isinstance(kind, str) or not isinstance(curve, str):
        return None
    if not is_for_verifying or (kind, curve) not in _ALGORITHMS:
        return None
    material = {name: value for name, value in member.items() if name in _MATERIAL}
    if kind == "RSA":
        _check_size(_modulus_bits(member.get("n")))
    return _verification_key(_imported(classes[kind], material), member)


def _check_size(bits: int) -> None:
    # Before the import, which only warns.
    if not _MIN_RSA_BITS <= bits <= _MAX_RSA_BITS:
        raise _UnusableKeyError(f"an RSA key has {bits} bits")


def _modulus_bits(encoded: object) -> int:
    try:
        modulus = urlsafe_b64decode(str(encoded) + "==")
    except ValueError:
        raise _UnusableKeyError("a key cannot be read") from None
    return int.from_bytes(modulus, "big").bit_length()


def _imported(kind: Any, data: Any) -> Key:
    try:
        key: Key = kind.import_key(data)
        # Made on demand otherwise: a point off its curve must not show only at the first token.
        key.get_op_key("verify")
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm):
        raise _UnusableKeyError("a key cannot be read") from None
    return key


def _verification_key(key: Key, member: Mapping[str, Any]) -> VerificationKey | None:
    curve = "" if isinstance(key, RSAKey) else str(getattr(key, "curve_name", ""))
    algorithms = _ALGORITHMS.get((key.key_type, curve))
    if algorithms is None:
        return None
    bound = member.get("alg")
    key_id = member.get("kid")
    if key_id is not None and not isinstance(key_id, str):
        raise _UnusableKeyError("the id of a key is no text")
    if bound is not None:
        algorithms = algorithms & frozenset((bound,)) if isinstance(bound, str) else frozenset()
    return VerificationKey(key_id, algorithms, key) if algorithms else None
