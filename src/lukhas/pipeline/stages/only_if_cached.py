"""What a request is told that takes no response but a stored one (RFC 9111 section 5.2.1.7)."""

from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.refusals import refusal
from lukhas.policy.verdicts import Outcome, Verdict

__all__ = ("not_cached",)

_ONLY_IF_CACHED = Verdict("cache", Outcome.REFUSED, "only-if-cached, and nothing fits")


def not_cached(exchange: Exchange) -> Response:
    """504: nothing that is stored can be used."""
    exchange.cache_result = "miss"
    exchange.verdicts.append(_ONLY_IF_CACHED)
    return refusal(
        exchange,
        status=504,
        slug="not-cached",
        title="No stored response can be used",
        detail="The request says only-if-cached, and the cache has no usable response for it; "
        "repeat it without only-if-cached.",
    )
