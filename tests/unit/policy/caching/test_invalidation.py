"""lukhas.policy.caching.invalidation."""

import pytest

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.policy.caching.invalidation import invalidated_resources
from lukhas.policy.caching.keys import ResourceKey

TARGET: ResourceKey = ("http", b"a.example:8080", b"/x/y", b"q=1")


def invalidated(
    *pairs: tuple[str, str], method: str = "POST", status: int = 200
) -> tuple[ResourceKey, ...]:
    head = RequestHead(method, *TARGET, Headers([]))
    return invalidated_resources(head, status, Headers.of(pairs))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"])
def test_unsafe_methods_invalidate_their_target(method: str) -> None:
    """RFC 9111 section 4.4; unknown methods count as unsafe."""
    for status in (200, 204, 303):
        assert invalidated(method=method, status=status) == (TARGET,)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE"])
def test_safe_methods_invalidate_nothing(method: str) -> None:
    """RFC 9110 section 9.2.1."""
    assert invalidated(("location", "/z"), method=method) == ()


@pytest.mark.parametrize("status", [199, 400, 500])
def test_failures_invalidate_nothing(status: int) -> None:
    """RFC 9111 section 4.4: only a non-error answer."""
    assert invalidated(status=status) == ()


@pytest.mark.parametrize(
    ("reference", "path", "query"),
    [
        ("/z", b"/z", b""),
        ("z?w=1#f", b"/x/z", b"w=1"),
        ("http://a.example:8080", b"/", b""),
        ("http://A.example:8080/z", b"/z", b""),
    ],
)
@pytest.mark.parametrize("name", ["location", "content-location"])
def test_named_resources_of_the_same_origin_too(
    name: str, reference: str, path: bytes, query: bytes
) -> None:
    """RFC 9111 section 4.4: Location and Content-Location, resolved against the target."""
    named = ("http", b"a.example:8080", path, query)
    assert invalidated((name, reference)) == (TARGET, named)


@pytest.mark.parametrize(
    "reference",
    ["https://a.example:8080/z", "http://a.example/z", "http://b.example:8080/z", "http://[/z"],
)
def test_other_origins_are_left_alone(reference: str) -> None:
    """No host can empty the cache of another."""
    assert invalidated(("location", reference)) == (TARGET,)


@pytest.mark.parametrize(
    ("scheme", "reference"),
    [("http", "http://a.example:80/z"), ("https", "https://a.example:443/z")],
)
def test_the_default_port_is_the_same_origin(scheme: str, reference: str) -> None:
    """RFC 9110 section 4.2.3: an origin may name itself with the port of its scheme."""
    head = RequestHead("POST", scheme, b"a.example", b"/x", b"", Headers([]))
    named = invalidated_resources(head, 201, Headers.of([("location", reference)]))
    assert named == ((scheme, b"a.example", b"/x", b""), (scheme, b"a.example", b"/z", b""))


def test_each_resource_is_named_once() -> None:
    """Both fields often say the same."""
    assert len(invalidated(("location", "/z"), ("content-location", "/z"))) == 2
