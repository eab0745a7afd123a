"""The Cache-Status field: how the cache handled a request (RFC 9211)."""

from enum import Enum

from lukhas.http.structured_fields import sf_string, sf_token

__all__ = ("CacheStatus", "Forward")


class Forward(Enum):
    """Why a request went to the origin (RFC 9211 section 2.2)."""

    BYPASS = "bypass"
    METHOD = "method"
    URI_MISS = "uri-miss"
    VARY_MISS = "vary-miss"
    MISS = "miss"
    REQUEST = "request"
    STALE = "stale"
    PARTIAL = "partial"

    # Members are singletons; the inherited hash runs Python code.
    __hash__ = object.__hash__


class CacheStatus:
    """Writes the member of one cache.

    Args:
        name: the name of the cache, a token or any printable ASCII text.

    Raises:
        ValueError: the name holds something else than printable ASCII.
    """

    __slots__ = ("_forwarded", "_hit", "_name")

    def __init__(self, name: str) -> None:
        try:
            self._name = sf_token(name)
        except ValueError:
            self._name = sf_string(name)
        self._hit = self._name + b"; hit; ttl="
        self._forwarded = {
            reason: self._name + b"; fwd=" + reason.value.encode() for reason in Forward
        }

    def hit(self, ttl_s: int, detail: str = "") -> bytes:
        """Answered from the store.

        Args:
            ttl_s: how long it stays fresh; negative if it is stale.
            detail: which store, a token; empty for the memory of this process.
        """
        member = self._hit + b"%d" % ttl_s
        return member + b"; detail=" + detail.encode("ascii") if detail else member

    def forwarded(
        self,
        reason: Forward,
        *,
        status: int | None = None,
        ttl_s: int | None = None,
        stored: bool = False,
    ) -> bytes:
        """Forwarded.

        Args:
            reason: why.
            status: what the origin answered, where the client gets another status.
            ttl_s: how long the answer from the store stays fresh.
            stored: whether the response is stored.
        """
        member = self._forwarded[reason]
        if status is not None:
            member += b"; fwd-status=%d" % status
        if ttl_s is not None:
            member += b"; ttl=%d" % ttl_s
        return member + b"; stored" if stored else member

    def collapsed(self, reason: Forward, ttl_s: int) -> bytes:
        """Answered with the response to another request that was already on its way."""
        return self._forwarded[reason] + b"; collapsed; ttl=%d" % ttl_s
