"""What an unsafe request makes invalid (RFC 9111 section 4.4)."""

from urllib.parse import urljoin, urlsplit

from lukhas.http.authority import normalise_authority
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.policy.caching.keys import ResourceKey, resource_key

__all__ = ("SAFE_METHODS", "invalidated_resources", "named_resources")

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""Methods that change nothing (RFC 9110 section 9.2.1); every other one counts as unsafe."""


def invalidated_resources(
    head: RequestHead, status: int, response: Headers
) -> tuple[ResourceKey, ...]:
    """The resources that a request made invalid: its target, and those that the answer names.

    Only an unsafe request that got a 2xx or 3xx invalidates; Location and Content-Location count
    only within the same origin, so that no host can empty the cache of another.
    """
    if head.method in SAFE_METHODS or not 200 <= status < 400:
        return ()
    target = resource_key(head)
    resources = [target]
    for name in (b"location", b"content-location"):
        for resource in named_resources(head, response, name):
            if resource not in resources:
                resources.append(resource)
    return tuple(resources)


def named_resources(head: RequestHead, response: Headers, name: bytes) -> list[ResourceKey]:
    """The resources of the same origin that a field such as Location names."""
    found = [_same_origin(head, value) for value in response.get_all(name)]
    return [resource for resource in found if resource is not None]


def _same_origin(head: RequestHead, reference: bytes) -> ResourceKey | None:
    base = f"{head.scheme}://{head.authority.decode('latin-1')}{head.path.decode('latin-1')}"
    try:
        parts = urlsplit(urljoin(base, reference.decode("latin-1")))
        authority = normalise_authority(parts.netloc.encode("latin-1"), scheme=parts.scheme)
    except ValueError:  # not a URI reference
        return None
    if parts.scheme != head.scheme or authority != head.authority:
        return None
    path = parts.path.encode("latin-1") or b"/"
    return (head.scheme, head.authority, path, parts.query.encode("latin-1"))
