"""What the cache decides at a glance about answers that the leak guard watches."""

import pytest

from lukhas.http.messages import Response
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.leak_guard import Observation
from lukhas.policy.rate_limiting.tiers import Tier
from tests.unit.pipeline.stages.cache_kit import Kit, response

ADA = Consumer("key:ada", Tier.FREE)
BEN = Consumer("key:ben", Tier.FREE)


async def filled(consumer: Consumer | None, **fields: str) -> Kit:
    """A stage that has a public answer, asked for by this consumer."""
    kit = Kit()
    kit.answer = response(b"hers", cache_control="public, max-age=60", etag='"e"')
    await kit.ask(consumer=consumer, **fields)  # type: ignore[arg-type]  # names of fields
    return kit


def glance(kit: Kit, consumer: Consumer | None, **fields: str) -> bool:
    """Whether a glance is enough for this client."""
    exchange = kit.exchange(consumer=consumer, **fields)  # type: ignore[arg-type]
    found = kit.stage.plain.ask(exchange)
    assert found is None or isinstance(found, Response)
    return found is not None


async def test_what_is_watched_is_at_hand_for_whom_it_was_made() -> None:
    """Their own answer tells the guard nothing: it compares what different callers get."""
    kit = await filled(ADA)
    assert glance(kit, ADA)
    assert not glance(kit, BEN)
    assert not glance(kit, None)


@pytest.mark.parametrize("shown", [{"x_api_key": "b"}, {"cookie": "a=b"}])
async def test_two_users_of_one_consumer_are_two(shown: dict[str, str]) -> None:
    """They are told apart by the credentials that they show beside its key."""
    kit = await filled(ADA, authorization="one")
    assert glance(kit, ADA, authorization="one")
    assert not glance(kit, ADA, authorization="two")
    assert not glance(kit, ADA, authorization="one", **shown)


async def test_what_nobody_in_particular_has_asked_for_is_at_hand_for_others_like_it() -> None:
    """And takes a second look for whoever shows who they are."""
    kit = await filled(None)
    assert glance(kit, None)
    assert not glance(kit, ADA)


async def test_what_is_suspect_is_at_hand_for_nobody() -> None:
    """Callers got different bodies: the origin is asked for each of them."""
    kit = await filled(ADA)
    (entry,) = kit.store.get(("http", b"a.example", b"/x", b"", "")) or ()
    seen = Observation(7, b"other", b"", kit.clock.now_ns())
    kit.stage.guard.observe(("r", b"/x"), entry.guard_key, seen)
    assert kit.stage.guard.is_suspect(entry.guard_key)
    assert not glance(kit, ADA)


async def test_a_watched_answer_ages_like_any_other() -> None:
    """When it is no longer fresh, no glance is enough."""
    kit = await filled(ADA)
    kit.clock.move(61)
    assert not glance(kit, ADA)
