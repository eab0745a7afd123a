"""Lua scripts that run inside the server."""

import hashlib
from collections.abc import Sequence

__all__ = ("Script",)

_SHAPES = 64


class Script:
    """A Lua script; it is sent once to each server and called by its digest from then on.

    Args:
        source: the Lua source. It names its keys in KEYS only: a cluster needs to know them.

    Attributes:
        source: the source as bytes.
        digest: its SHA-1 in hexadecimal, which is how EVALSHA names it.
    """

    __slots__ = ("_heads", "digest", "source")

    def __init__(self, source: str) -> None:
        self.source = source.encode()
        # Not for security: it is the name that the server gives to the script.
        self.digest = hashlib.sha1(self.source, usedforsecurity=False).hexdigest().encode()
        self._heads: dict[tuple[int, int], bytes] = {}

    def packed(self, keys: Sequence[bytes], args: Sequence[bytes | int]) -> bytes:
        """The call by digest, as bytes to be sent (RESP arrays of bulk strings)."""
        shape = (len(keys), len(args))
        head = self._heads.get(shape) or self._head(*shape)
        words = [word if isinstance(word, bytes) else b"%d" % word for word in (*keys, *args)]
        return head + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])

    def _head(self, keys: int, args: int) -> bytes:
        count = b"%d" % keys
        head = b"*%d\r\n$7\r\nEVALSHA\r\n$40\r\n%b\r\n$%d\r\n%b\r\n" % (
            3 + keys + args, self.digest, len(count), count,
        )  # fmt: skip
        if len(self._heads) < _SHAPES:
            self._heads[keys, args] = head
        return head
