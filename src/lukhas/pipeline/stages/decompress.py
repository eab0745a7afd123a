"""The decompress stage: decodes request bodies for an origin that does not."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

from lukhas.errors import BodyAbortedError, HandlerError
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.decoded_body import DecodedBody, DecodedTooLargeError
from lukhas.pipeline.decoders import BrokenCodingError, decoder_of
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import discard
from lukhas.pipeline.refusals import refusal
from lukhas.pipeline.stage import BodyReader, Handler
from lukhas.policy.decompression import (
    DecodedLimit,
    DecompressionPolicy,
    decoded_headers,
    named_codings,
)
from lukhas.policy.modes import FailureMode
from lukhas.policy.verdicts import Outcome, Verdict

__all__ = ("DecompressStage",)

# Up to here a body is decoded before the handler is asked, so that it hears of none that is broken.
_WHOLE_BYTES = 64 * 1024


class DecompressStage(BodyReader):
    """Decodes request bodies where the route says so, bounded in size and in ratio.

    A small body is passed on whole. A larger one is decoded while it is passed on; when it turns
    out to be broken or too large, it breaks off there and whatever the handler answered is dropped.
    """

    name = "decompress"
    on_failure = FailureMode.CLOSED

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        """Passes the exchange on with a decoded body."""
        policy = exchange.route.rule.decompression if exchange.route is not None else None
        asked = exchange.head
        if policy is None or not policy.enabled or b"content-encoding" not in asked.headers.index():
            return await call_next(exchange)
        codings = named_codings(asked.headers)
        if len(codings) > 1 or not set(codings) <= set(policy.codings):
            return _unknown(exchange, policy)
        body = exchange.body
        if not codings or body is None:
            exchange.head = _with_headers(asked, asked.headers.without((b"content-encoding",)))
            try:
                return await call_next(exchange)
            finally:
                exchange.head = asked
        return await _decoded(exchange, policy, codings[0], call_next=call_next)


async def _decoded(
    exchange: Exchange, policy: DecompressionPolicy, coding: bytes, *, call_next: Handler
) -> Response:
    asked, body = exchange.head, exchange.body
    decoded = DecodedBody(_pieces(body), decoder_of(coding), policy)
    try:
        whole = await decoded.beginning(_WHOLE_BYTES)
    except BodyAbortedError as error:
        raise HandlerError(error) from error  # The client's failure, and none of this stage.
    except (BrokenCodingError, DecodedTooLargeError) as error:
        return _refused(exchange, error, policy)
    length = None if whole is None else len(whole)
    exchange.head = _with_headers(asked, decoded_headers(asked.headers, length))
    # Bytes, and bodies with a `length`, are what handlers send.
    exchange.body = cast("Any", decoded if whole is None else whole)
    try:
        response = await call_next(exchange)
    except HandlerError:
        if decoded.fault is None:
            raise
        return _refused(exchange, decoded.fault, policy)
    finally:
        exchange.head = asked
    if decoded.fault is not None:
        discard(response)
        return _refused(exchange, decoded.fault, policy)
    return response


def _with_headers(head: RequestHead, headers: Headers) -> RequestHead:
    return replace(head, headers=headers)


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _pieces(body: object) -> AsyncIterator[bytes]:
    return _one(body) if isinstance(body, bytes) else cast("AsyncIterator[bytes]", body)


def _unknown(exchange: Exchange, policy: DecompressionPolicy) -> Response:
    exchange.verdicts.append(Verdict("decompress", Outcome.REFUSED, "unknown content coding"))
    taken = b", ".join(policy.codings)
    return refusal(
        exchange,
        status=415,
        slug="content-coding-unknown",
        title="The content coding is not taken",
        detail=f"A request body here has one coding at most: {taken.decode()}, or none.",
        headers=[(b"accept-encoding", taken)],  # RFC 9110 section 12.5.3, RFC 7694
    )


def _refused(
    exchange: Exchange,
    error: BrokenCodingError | DecodedTooLargeError,
    policy: DecompressionPolicy,
) -> Response:
    if isinstance(error, BrokenCodingError):
        exchange.verdicts.append(Verdict("decompress", Outcome.REFUSED, "broken content coding"))
        return refusal(
            exchange,
            status=400,
            slug="content-coding-broken",
            title="The request body is not in its content coding",
            detail=f"The body does not fit its Content-Encoding: {error}.",
        )
    limit = error.limit
    exchange.verdicts.append(
        Verdict("decompress", Outcome.REFUSED, f"decoded body over {limit.value}")
    )
    if limit is DecodedLimit.SIZE:
        value, detail = policy.body_bytes, "Decoded, it has more than {value} bytes."
    else:
        value, detail = policy.ratio, "It grows to more than {value} times what was sent."
    return refusal(
        exchange,
        status=413,
        slug="decoded-body-too-large",
        title="The decoded request body is too large",
        detail=detail.format(value=value),
        extensions=(("limit", limit.value), ("value", value)),
    )
