"""The server's pepper: the secret under which API keys are hashed."""

import fcntl
import hmac
import os
import stat
from pathlib import Path

from lukhas.errors import StateDirError
from lukhas.storage.node import prepare_state_dir

__all__ = ("PEPPER_FILE", "Pepper", "load_pepper")

PEPPER_FILE = "pepper"
_LENGTH = 32


class Pepper:
    """Hashes the bodies of API keys. Never shows its secret.

    A keyed hash is enough: the secrets hold 256 random bits, so a slow hash would protect nothing
    and cost a hundred thousand times as much on the request path.

    Args:
        secret: 32 random bytes.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) != _LENGTH:
            raise ValueError(f"a pepper has {_LENGTH} bytes")
        self._secret = secret

    def digest(self, body: bytes) -> bytes:
        """The HMAC-SHA256 of a key's body (`PresentedKey.body`); 32 bytes."""
        return hmac.digest(self._secret, body, "sha256")

    def fingerprint(self) -> str:
        """Tells one pepper from another, and nothing else about it; safe to store and show."""
        # Not the form of any key's body, so this can never be the hash of a key.
        return self.digest(b"fingerprint of the pepper").hex()[:16]

    def __repr__(self) -> str:
        return f"Pepper({self.fingerprint()})"

    def __reduce__(self) -> str:
        raise TypeError("a pepper is not to be pickled: load it where it is used")


def load_pepper(state_dir: Path) -> Pepper:
    """Reads the pepper of a state directory, making it at first use.

    Several processes may do so at once; all get the same. Every key depends on this file: without
    it no key made before works any more, so it belongs into backups, away from the database.

    Raises:
        StateDirError: the file cannot be read or made, may be read by others, or is damaged.
    """
    path = prepare_state_dir(state_dir) / PEPPER_FILE
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            # Who gets the lock first writes; everybody else finds the secret written.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            secret = _read_or_make(descriptor, path)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StateDirError(
            f"the pepper {path} cannot be used ({error.strerror}): "
            "it must be a file that this user can read and write"
        ) from error
    return Pepper(secret)


def _read_or_make(descriptor: int, path: Path) -> bytes:
    facts = os.fstat(descriptor)
    if stat.S_IMODE(facts.st_mode) & 0o077:
        raise StateDirError(f"the pepper {path} may be read by others: run chmod 600 {path}")
    if facts.st_size == 0:
        secret = os.urandom(_LENGTH)
        os.write(descriptor, secret)
        os.fsync(descriptor)
        return secret
    secret = os.read(descriptor, _LENGTH + 1)
    if len(secret) != _LENGTH:
        raise StateDirError(
            f"the pepper {path} is damaged (it must have {_LENGTH} bytes): "
            "put it back from a backup"
        )
    return secret
