"""API keys: their text form, what is kept about them, and whether one may pass.

The text is `lk_<env>_<key id>_<secret><checksum>`. The underscore lets a double click select the
whole key; the prefix and the checksum let a scanner tell a leaked key from a look-alike without
asking the database.
"""

import re
from dataclasses import dataclass, field
from enum import Enum
from hmac import compare_digest
from zlib import crc32

from lukhas.policy.access.consumers import Consumer
from lukhas.policy.rate_limiting.tiers import Tier

__all__ = (
    "BASE62",
    "KEY_ID_LENGTH",
    "KEY_PREFIX",
    "MAX_KEY_LENGTH",
    "NEVER_NS",
    "SECRET_LENGTH",
    "ApiKeyRecord",
    "PresentedKey",
    "Rejection",
    "accepted_until_ns",
    "compose_key",
    "consumer_of",
    "parse_key",
    "valid_environment",
)

BASE62 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEY_PREFIX = b"lk_"
KEY_ID_LENGTH = 16
# 43 base-62 digits hold 256 bits.
SECRET_LENGTH = 43
CHECKSUM_LENGTH = 6
MAX_ENVIRONMENT_LENGTH = 16
MAX_KEY_LENGTH = (
    len(KEY_PREFIX) + MAX_ENVIRONMENT_LENGTH + KEY_ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH + 2
)
NEVER_NS = 2**63 - 1

_ENVIRONMENT = re.compile(rb"[a-z][a-z0-9]{0,15}")
_BODY = re.compile(
    rb"lk_(?P<environment>[a-z][a-z0-9]{0,15})_(?P<key_id>[0-9A-Za-z]{16})_[0-9A-Za-z]{43}"
)


class Rejection(Enum):
    """Why a presented credential is not accepted. For operators; clients are never told which."""

    MALFORMED = "the credential is not an API key of ours"
    BAD_CHECKSUM = "the checksum of the API key is wrong"
    UNKNOWN = "no such API key"
    WRONG_SECRET = "the secret of the API key is wrong"  # noqa: S105 - a reason, not a secret
    REVOKED = "the API key is revoked"
    EXPIRED = "the API key, or its rotated secret, has expired"


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """A key as a client sent it, form and checksum being right.

    Attributes:
        environment: what the key was made for, e.g. `"live"`.
        key_id: the public id.
        body: the text without its checksum, which is what gets hashed. Secret: not in the repr.
    """

    environment: str
    key_id: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ApiKeyRecord:
    """What is kept about a key; never the key itself.

    Attributes:
        key_id: the public id.
        secret_hashes: the keyed hashes of the live secrets, the newest first; one, or two while a
            rotation is in its grace period.
        tier: the tier its consumer is in.
        consumer: the name of the consumer, for people and metrics.
        tenant: whose consumer it is; empty if there are no tenants.
        created_ns: when it was made (Unix time).
        expires_ns: from when on it is refused (Unix time); None if never.
        previous_expires_ns: from when on the second secret is refused; None if there is none.
        revoked: whether it was withdrawn.
        scopes: what it may be used for.
        last_used_ns: when it was used last, as far as the registry was told (Unix time); None if
            it was not. Decides nothing, and is not in what workers look keys up in.
    """

    key_id: str
    secret_hashes: tuple[bytes, ...] = field(repr=False)
    tier: Tier
    consumer: str
    tenant: str
    created_ns: int
    expires_ns: int | None = None
    previous_expires_ns: int | None = None
    revoked: bool = False
    scopes: tuple[str, ...] = ()
    last_used_ns: int | None = None


def valid_environment(name: str) -> bool:
    """Whether `name` may stand in a key: 1 to 16 of a-z and 0-9, a letter first."""
    return _ENVIRONMENT.fullmatch(name.encode("utf-8", "replace")) is not None


def compose_key(environment: str, *, key_id: bytes, secret: bytes) -> tuple[bytes, bytes]:
    """Writes a key out.

    Args:
        environment: see `valid_environment`.
        key_id: `KEY_ID_LENGTH` base-62 digits.
        secret: `SECRET_LENGTH` base-62 digits.

    Returns:
        The body, which is what gets hashed, and the whole text.

    Raises:
        ValueError: if a part has another form; the message does not show it.
    """
    body = b"_".join((b"lk", environment.encode("utf-8", "replace"), key_id, secret))
    if _BODY.fullmatch(body) is None:
        raise ValueError("the environment, the key id or the secret has a wrong form")
    return body, body + _checksum(body)


def parse_key(presented: bytes) -> PresentedKey | Rejection:
    """Reads a presented key; needs no store.

    Returns:
        The key, or `Rejection.MALFORMED` or `Rejection.BAD_CHECKSUM`.
    """
    # Length first: nothing of an over-long value is scanned.
    if len(presented) > MAX_KEY_LENGTH:
        return Rejection.MALFORMED
    body = presented[:-CHECKSUM_LENGTH]
    match = _BODY.fullmatch(body)
    if match is None:
        return Rejection.MALFORMED
    if presented[-CHECKSUM_LENGTH:] != _checksum(body):
        return Rejection.BAD_CHECKSUM
    return PresentedKey(
        environment=match["environment"].decode("ascii"),
        key_id=match["key_id"].decode("ascii"),
        body=body,
    )


def accepted_until_ns(record: ApiKeyRecord, digest: bytes, now_ns: int) -> int | Rejection:
    """Whether a secret with this hash may pass now, and until when that answer holds.

    The secret is looked at first, so that who does not have it learns nothing of the record.

    Args:
        record: what is kept about the key.
        digest: the keyed hash of the presented body.
        now_ns: Unix time.

    Returns:
        The Unix time in ns from which the secret is refused (`NEVER_NS` if never), or the reason.
    """
    # Every live secret is compared, whichever fits: the time taken tells nothing.
    fits = [compare_digest(live, digest) for live in record.secret_hashes]
    if True not in fits:
        return Rejection.WRONG_SECRET
    if record.revoked:
        return Rejection.REVOKED
    until_ns = NEVER_NS if record.expires_ns is None else record.expires_ns
    if not fits[0]:
        # A second secret without a deadline is no live secret.
        until_ns = min(until_ns, record.previous_expires_ns or 0)
    return until_ns if now_ns < until_ns else Rejection.EXPIRED


def consumer_of(record: ApiKeyRecord) -> Consumer:
    """The consumer that a request with this key comes from."""
    return Consumer(
        key=f"key:{record.key_id}",
        tier=record.tier,
        name=record.consumer,
        tenant=record.tenant,
        credential_id=record.key_id,
    )


def _checksum(body: bytes) -> bytes:
    value = crc32(body)
    digits = bytearray(CHECKSUM_LENGTH)
    for place in range(CHECKSUM_LENGTH - 1, -1, -1):
        value, digit = divmod(value, 62)
        digits[place] = BASE62[digit]
    return bytes(digits)
