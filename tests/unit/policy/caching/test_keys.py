"""lukhas.policy.caching.keys."""

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.policy.access.consumers import Consumer, anonymous
from lukhas.policy.caching.keys import (
    credential_digest,
    has_credentials,
    partition_of,
    resource_key,
)
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.rate_limiting.tiers import Tier

SHARED = CachePolicy()
PRIVATE = CachePolicy(private=True)
ANNA = Consumer(key="key:anna", tier=Tier.FREE, tenant="t1")
EMPTY = Headers([])


def test_resource_is_scheme_authority_path_and_query() -> None:
    """The key is made of what is forwarded, byte for byte."""
    head = RequestHead("GET", "https", b"a.example", b"/x", b"b=1&a=2", EMPTY)
    assert resource_key(head) == ("https", b"a.example", b"/x", b"b=1&a=2")


def test_credential_fields_are_credentials() -> None:
    """Each configured field counts, a cookie does not: it has a rule of its own."""
    assert has_credentials(Headers.of([("Authorization", "a")]), None, SHARED)
    assert has_credentials(Headers.of([("X-API-Key", "a")]), None, SHARED)
    assert not has_credentials(Headers.of([("Cookie", "a")]), None, SHARED)


def test_identified_consumers_have_credentials() -> None:
    """However a consumer was identified, its responses may be its own; an address is nobody."""
    assert has_credentials(EMPTY, ANNA, SHARED)
    assert not has_credentials(EMPTY, anonymous("10.0.0.1"), SHARED)


def test_digest_tells_every_credential_apart() -> None:
    """Fields cannot run over into each other, and order between fields means nothing."""
    one = credential_digest(Headers.of([("cookie", "a"), ("x-api-key", "b")]), SHARED)
    other_order = credential_digest(Headers.of([("x-api-key", "b"), ("cookie", "a")]), SHARED)
    shifted = credential_digest(Headers.of([("cookie", "a9:x-api-key1:b")]), SHARED)
    assert one == other_order
    assert len({one, shifted, b""}) == 3
    assert credential_digest(Headers.of([("accept", "a")]), SHARED) == b""


def test_shared_partition_is_the_tenant() -> None:
    """Tenants never share, and within a tenant everybody does."""
    assert partition_of(EMPTY, ANNA, SHARED) == "t1"
    assert partition_of(EMPTY, None, SHARED) == ""


def test_private_partition_is_consumer_and_credentials() -> None:
    """Two users behind the key of one application share nothing."""
    user_1 = partition_of(Headers.of([("authorization", "1")]), ANNA, PRIVATE)
    user_2 = partition_of(Headers.of([("authorization", "2")]), ANNA, PRIVATE)
    nobody = partition_of(Headers.of([("authorization", "1")]), None, PRIVATE)
    at_home = partition_of(Headers.of([("authorization", "1")]), anonymous("10.0.0.1"), PRIVATE)
    assert len({user_1, user_2, nobody}) == 3
    assert nobody == at_home
    assert nobody[:2] == ("", "")
    assert partition_of(EMPTY, ANNA, PRIVATE) == ("t1", "key:anna", b"")


def test_private_partition_of_nobody_is_shared() -> None:
    """Who shows no credential has no principal to be private for."""
    assert partition_of(EMPTY, anonymous("10.0.0.1"), PRIVATE) == ""
    assert partition_of(EMPTY, None, PRIVATE) == ""
