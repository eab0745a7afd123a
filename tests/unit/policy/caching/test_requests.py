"""lukhas.policy.caching.requests."""

import pytest

from lukhas.http.cache_control import NO_DIRECTIVES
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.requests import (
    CacheRequest,
    bypass_reason,
    cache_request,
    request_directives,
)

FOR_THE_ORIGIN = "the request has a precondition for the origin"


def facts(*pairs: tuple[str, str], policy: CachePolicy | None = None) -> CacheRequest:
    head = RequestHead("GET", "http", b"a.example", b"/", b"", Headers.of(pairs))
    return cache_request(head, None, policy or CachePolicy())


def test_pragma_counts_without_cache_control() -> None:
    """RFC 9111 section 5.4: only where Cache-Control is absent."""
    assert request_directives(Headers.of([("pragma", "x, No-Cache")])).no_cache
    assert request_directives(Headers.of([("pragma", "x,no-cache")])).no_cache
    assert request_directives(Headers.of([("pragma", "x")])) == NO_DIRECTIVES
    both = Headers.of([("pragma", "no-cache"), ("cache-control", "max-age=9")])
    assert not request_directives(both).no_cache


def test_no_cache_with_field_names_is_no_cache() -> None:
    """Field names mean nothing in a request."""
    assert request_directives(Headers.of([("cache-control", 'no-cache="a"')])).no_cache


def test_facts_of_a_plain_request() -> None:
    """Nothing personal, nothing conditional, the tenant's partition."""
    request = facts()
    assert request.key == ("http", b"a.example", b"/", b"", "")
    assert request.shared
    assert not request.personal
    assert not request.conditional
    assert request.directives == NO_DIRECTIVES
    assert facts(("cache-control", "max-age=9")).directives.max_age == 9


def test_cookies_and_credentials_are_personal() -> None:
    """Either one may mean that the answer is for one principal only."""
    assert facts(("cookie", "a=b")).personal
    assert facts(("cookie", "a=b")).has_cookie
    assert facts(("authorization", "x")).personal
    assert facts(("authorization", "x")).credentialed
    assert not facts(("authorization", "x"), policy=CachePolicy(private=True)).shared


@pytest.mark.parametrize("name", ["if-none-match", "if-modified-since"])
def test_conditions_of_the_client_are_seen(name: str) -> None:
    """Both kinds that a cache may evaluate (RFC 9111 section 4.3.2)."""
    assert facts((name, "x")).conditional


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ([("content-length", "3")], "the request has a body"),
        ([("transfer-encoding", "chunked")], "the request has a body"),
        ([("cache-control", "no-store")], "the request says no-store"),
        ([("if-match", "*")], FOR_THE_ORIGIN),
        ([("if-unmodified-since", "x")], FOR_THE_ORIGIN),
    ],
)
def test_requests_that_go_past_the_store(pairs: list[tuple[str, str]], reason: str) -> None:
    """Bodies, no-store and preconditions that only the origin may evaluate."""
    headers = Headers.of(pairs)
    assert bypass_reason(headers, request_directives(headers), has_body=False) == reason


def test_a_body_without_length_is_a_body() -> None:
    """HTTP/2 and ASGI bodies need no length field."""
    assert "body" in bypass_reason(Headers([]), NO_DIRECTIVES, has_body=True)


def test_an_empty_body_is_no_body() -> None:
    """Content-Length: 0 shapes nothing."""
    assert not bypass_reason(Headers.of([("content-length", "0")]), NO_DIRECTIVES, has_body=False)
