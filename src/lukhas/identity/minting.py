"""Making new API keys."""

import secrets
from dataclasses import dataclass, field

from lukhas.policy.access.api_keys import BASE62, KEY_ID_LENGTH, SECRET_LENGTH, compose_key

__all__ = ("MintedKey", "mint_key")


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A new key, in the only moment in which its text is known.

    Attributes:
        key_id: its public id.
        text: the whole key, for its consumer. Secret: not in the repr.
        body: what gets hashed. Secret: not in the repr.
    """

    key_id: str
    text: str = field(repr=False)
    body: bytes = field(repr=False)


def mint_key(environment: str, *, key_id: str | None = None) -> MintedKey:
    """Makes a key with 256 random bits.

    Args:
        environment: what it is for, e.g. `"live"`; see `valid_environment`.
        key_id: the id to keep, when a key is rotated; a new random one if None.

    Raises:
        ValueError: the environment or the id has a wrong form.
    """
    public = _random_digits(KEY_ID_LENGTH) if key_id is None else key_id.encode("utf-8")
    body, text = compose_key(environment, key_id=public, secret=_random_digits(SECRET_LENGTH))
    return MintedKey(key_id=public.decode("ascii"), text=text.decode("ascii"), body=body)


def _random_digits(count: int) -> bytes:
    return bytes(secrets.choice(BASE62) for _ in range(count))
