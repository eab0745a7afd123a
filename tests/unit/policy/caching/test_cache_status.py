"""lukhas.policy.caching.cache_status."""

import pytest

from lukhas.policy.caching.cache_status import CacheStatus, Forward


def test_hit_tells_what_is_left() -> None:
    """RFC 9211 section 2.1 and 2.4; a stale hit has a negative ttl."""
    assert CacheStatus("lukhas").hit(30) == b"lukhas; hit; ttl=30"
    assert CacheStatus("lukhas").hit(-5) == b"lukhas; hit; ttl=-5"


def test_forward_tells_why_and_what_came_of_it() -> None:
    """RFC 9211 sections 2.2, 2.3, 2.5."""
    status = CacheStatus("lukhas")
    assert status.forwarded(Forward.BYPASS) == b"lukhas; fwd=bypass"
    assert status.forwarded(Forward.URI_MISS, stored=True) == b"lukhas; fwd=uri-miss; stored"
    told = status.forwarded(Forward.STALE, status=304, ttl_s=9, stored=True)
    assert told == b"lukhas; fwd=stale; fwd-status=304; ttl=9; stored"


def test_collapsed_requests_say_so() -> None:
    """RFC 9211 section 2.6."""
    told = CacheStatus("lukhas").collapsed(Forward.URI_MISS, 60)
    assert told == b"lukhas; fwd=uri-miss; collapsed; ttl=60"


def test_name_is_a_token_or_a_string() -> None:
    """RFC 9211 section 2: an sf-item of one of these two types."""
    assert CacheStatus("my cache").hit(1) == b'"my cache"; hit; ttl=1'
    with pytest.raises(ValueError, match="ASCII"):
        CacheStatus("caché")
