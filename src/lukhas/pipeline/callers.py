"""Who a caller is, where callers stay with what was once chosen for them."""

from collections.abc import Callable

from lukhas.http.cookies import cookie_value
from lukhas.pipeline.exchange import Exchange

__all__ = ("CallerOf", "caller_of")

CallerOf = Callable[[Exchange], bytes]


def caller_of(kind: str) -> CallerOf:
    """What tells who the caller of an exchange is; it gives nothing for one who is not known.

    Args:
        kind: `client`, `consumer`, `header:NAME` or `cookie:NAME`.
    """
    kind, _, text = kind.partition(":")
    if kind == "client":
        return lambda exchange: exchange.client.encode()
    if kind == "consumer":
        return _consumer
    name = text.encode()
    if kind == "cookie":
        return lambda exchange: cookie_value(exchange.head.headers, name)
    field = name.lower()
    return lambda exchange: exchange.head.headers.get(field) or b""


def _consumer(exchange: Exchange) -> bytes:
    return exchange.consumer.key.encode() if exchange.consumer is not None else b""
