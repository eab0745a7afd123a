"""lukhas.pipeline.stages.cache: who may see what is stored."""

import pytest

from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.access.consumers import Consumer, anonymous
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.rate_limiting.tiers import Tier
from tests.unit.pipeline.stages.cache_kit import Asked, Kit, response

ANNA = Consumer(key="key:anna", tier=Tier.FREE, tenant="t")
BERT = Consumer(key="key:bert", tier=Tier.FREE, tenant="t")


@pytest.fixture
def kit() -> Kit:
    return Kit()


# Principals


async def test_fastapi_cache_103_b_never_gets_the_body_of_a(kit: Kit) -> None:
    """long2ice/fastapi-cache#103: a response to Authorization leaked to the next user."""

    async def personal(exchange: Exchange) -> Response:
        user = exchange.head.headers.get(b"authorization") or b"nobody"
        return response(user, cache_control="max-age=60")

    kit.answer = personal
    assert (await kit.ask(authorization="A")).body == b"A"
    assert (await kit.ask(authorization="B")).body == b"B"
    assert (await kit.ask()).body == b"nobody"
    assert (await kit.ask(authorization="A")).body == b"A"
    assert kit.store.stats().entries == 1


@pytest.mark.parametrize(
    ("of_a", "of_b"),
    [
        ({"x_api_key": "a"}, {"x_api_key": "b"}),
        ({"cookie": "s=a"}, {"cookie": "s=b"}),
        ({"consumer": ANNA}, {"consumer": BERT}),
        ({"authorization": "a"}, {}),
    ],
)
@pytest.mark.parametrize("private", [False, True])
async def test_no_principal_gets_the_body_of_another(
    kit: Kit, of_a: Asked, of_b: Asked, private: bool
) -> None:
    """Whatever tells them apart, with and without private partitions."""
    kit.policy = CachePolicy(private=private)
    kit.answer = response(b"a", cache_control="max-age=60")
    await kit.ask(**of_a)
    kit.answer = response(b"b", cache_control="max-age=60")
    assert (await kit.ask(**of_b)).body == b"b"


async def test_private_partitions_store_for_their_principal(kit: Kit) -> None:
    """With a private policy even Cache-Control: private is stored, for that consumer."""
    kit.policy = CachePolicy(private=True)
    kit.answer = response(cache_control="private, max-age=60")
    await kit.ask(consumer=ANNA)
    assert (await kit.ask(consumer=ANNA)).result == "hit"
    assert (await kit.ask(consumer=BERT)).result == "miss"
    assert (await kit.ask()).result == "miss"


async def test_explicitly_public_responses_are_shared(kit: Kit) -> None:
    """RFC 9111 section 3.5: public is for everybody, whoever asked first."""
    kit.answer = response(cache_control="public, max-age=60")
    await kit.ask(authorization="A", cookie="s=1")
    assert (await kit.ask(authorization="B")).result == "hit"
    assert (await kit.ask(x_api_key="B", cookie="s=2")).result == "hit"


async def test_personal_requests_do_not_get_what_is_not_shared(kit: Kit) -> None:
    """What an anonymous client got may be another page than that of a user."""
    kit.answer = response(b"for nobody", cache_control="max-age=60")
    await kit.ask()
    kit.answer = response(b"for A", cache_control="max-age=60")
    assert (await kit.ask(authorization="A")).body == b"for A"
    assert (await kit.ask(consumer=anonymous("10.0.0.1"))).body == b"for nobody"


async def test_a_personal_answer_does_not_end_what_is_shared(kit: Kit) -> None:
    """What one principal gets says nothing about what is stored for everybody."""
    kit.answer = response(b"all", cache_control="public, max-age=60")
    await kit.ask()
    kit.answer = response(b"own", cache_control="private")
    assert (await kit.ask(authorization="A", cache_control="no-cache")).body == b"own"
    assert (await kit.ask()).body == b"all"


async def test_tenants_never_share(kit: Kit) -> None:
    """Not even what is public."""
    kit.answer = response(cache_control="public, max-age=60")
    await kit.ask(consumer=ANNA)
    other = Consumer(key="key:eve", tier=Tier.FREE, tenant="other")
    assert (await kit.ask(consumer=other)).result == "miss"
    assert (await kit.ask(consumer=BERT)).result == "hit"


async def test_cookies_are_never_replayed(kit: Kit) -> None:
    """The client that was meant gets it, no other one does."""
    kit.answer = response(cache_control="max-age=60", set_cookie="s=1")
    await kit.ask()
    assert (await kit.ask()).result == "miss"
    kit.answer = response(cache_control="public, max-age=60", set_cookie="s=1")
    first = await kit.ask()
    assert first.answer.headers.get(b"set-cookie") == b"s=1"
    hit = await kit.ask()
    assert hit.result == "hit"
    assert b"set-cookie" not in hit.answer.headers
