"""What a programmatic caller gives and gets, into and out of the message model."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from lukhas.errors import LukhasError
from lukhas.http.authority import normalise_authority
from lukhas.http.headers import HeaderPairs, Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.http.request_target import PathPolicy, TargetProblem, parse_target
from lukhas.http.rerouting import rerouting_digest
from lukhas.policy.rate_limiting.tiers import Tier

__all__ = (
    "HeaderSource",
    "InvalidRequestError",
    "decoded",
    "request_head",
    "response_of",
    "tier_of",
)

HeaderSource = Mapping[str, str] | Iterable[tuple[str, str]]

_AUTHORITY = b"hub.internal"
_FIELD_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BAD_VALUE = re.compile(rb"[\r\n\0]")


class InvalidRequestError(LukhasError):
    """What was given is no request, or no response."""


def tier_of(tier: str | Tier) -> Tier:
    """The tier of that name, in any case.

    Raises:
        InvalidRequestError: there is no such tier.
    """
    if isinstance(tier, Tier):
        return tier
    try:
        return Tier(tier.lower())
    except (ValueError, AttributeError):
        names = ", ".join(known.value for known in Tier)
        raise InvalidRequestError(f"{tier!r} is no tier: use one of {names}") from None


def request_head(endpoint: str, method: str, headers: HeaderSource) -> RequestHead:
    """The head of a request.

    Raises:
        InvalidRequestError: endpoint, method or a header is not valid in HTTP.
    """
    if not (method.isascii() and method.isalpha()):
        raise InvalidRequestError(f"{method!r} is not an HTTP method")
    name = method.upper()
    try:
        target = parse_target(endpoint.encode("ascii"), name, path_policy=PathPolicy())
    except (UnicodeEncodeError, AttributeError):
        raise InvalidRequestError(f"{endpoint!r} is not a percent-encoded path") from None
    if isinstance(target, TargetProblem):
        raise InvalidRequestError(f"{endpoint!r} is not an endpoint: {target.reason}")
    fields = _headers(headers)
    return RequestHead(
        name,
        "http",
        target.authority or _host(fields),
        target.path,
        target.query,
        fields,
        rerouting_digest(fields),
    )


def _host(fields: Headers) -> bytes:
    """The host that is asked: what one host answers is no answer of another."""
    lines = fields.get_all(b"host")
    if not lines:
        return _AUTHORITY
    host = normalise_authority(lines[0], scheme="http") if len(lines) == 1 else None
    if host is None:
        raise InvalidRequestError("the Host field is not one host name or address")
    return host


def response_of(data: Any, status: int, headers: HeaderSource) -> Response:
    """A whole response.

    Args:
        data: bytes, text, or what JSON can hold.
        status: the status code, 200 to 599.
        headers: the header fields; Content-Type and Content-Length are made where they belong.

    Raises:
        InvalidRequestError: the status, a header or the data is not valid.
    """
    try:
        is_final = 200 <= int(status) <= 599
    except (TypeError, ValueError):
        is_final = False
    if not is_final:
        raise InvalidRequestError(f"{status!r} is not the status of a response")
    body, content_type = _encoded(data)
    fields = _headers(headers)
    if status in {204, 304}:
        return Response(status, fields, b"")
    if b"content-type" not in fields:
        fields = fields.replaced([(b"content-type", content_type)])
    return Response(status, fields.replaced([(b"content-length", b"%d" % len(body))]), body)


def decoded(response: Response) -> Any:
    """The body: JSON and text by their Content-Type, anything else as bytes."""
    body = response.body if isinstance(response.body, bytes) else b""
    content_type = response.headers.get(b"content-type") or b""
    if content_type.startswith((b"application/json", b"application/problem+json")):
        try:
            return json.loads(body) if body else None
        except ValueError:
            return body
    if content_type.startswith(b"text/"):
        return body.decode("utf-8", "replace")
    return body


def _headers(source: HeaderSource) -> Headers:
    pairs: HeaderPairs = []
    for name, value in source.items() if isinstance(source, Mapping) else source:
        try:
            pair = (name.encode("ascii").lower(), value.encode("latin-1"))
        except (AttributeError, UnicodeEncodeError):
            raise InvalidRequestError(f"{name!r} is not a header field of text") from None
        if _FIELD_NAME.fullmatch(pair[0]) is None or _BAD_VALUE.search(pair[1]):
            raise InvalidRequestError(f"{name!r} is not a header field valid in HTTP")
        pairs.append(pair)
    return Headers(pairs)


def _encoded(data: Any) -> tuple[bytes, bytes]:
    if isinstance(data, bytes):
        return data, b"application/octet-stream"
    try:
        if isinstance(data, str):
            return data.encode(), b"text/plain; charset=utf-8"
        text = json.dumps(data, separators=(",", ":"), allow_nan=False)
        return text.encode(), b"application/json"
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(f"the response data is not JSON: {error}") from error
