"""A hub for tests of settings."""

from pathlib import Path
from typing import Any

import pytest

from lukhas.config.settings import Settings
from lukhas.errors import ConfigError, NotAvailableError
from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.testing.assertions import assert_allowed, assert_limited
from lukhas.testing.clock import ManualClock
from lukhas.testing.limited_hub import LimitedHub, caller


def hub_of(tree: dict[str, Any], clock: ManualClock | None = None) -> LimitedHub:
    return LimitedHub(Settings.model_validate(tree), clock or ManualClock())


def test_time_is_that_of_the_clock() -> None:
    """A limit of an hour is tested in no time."""
    clock = ManualClock()
    with hub_of({"tiers": {"free": "2/hour"}}, clock) as hub:
        answers = [hub.ask() for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert_limited(answers[-1], by="tier-free")
        clock.advance(seconds=answers[-1].limit.retry_after_s or 0 if answers[-1].limit else 0)
        assert_allowed(hub.ask())


def test_callers_are_who_the_test_says() -> None:
    """Name, tier, tenant, credential and claims count as if a token had shown them."""
    alice = caller("alice", tier="premium", tenant="acme", credential="c1", claims={"org": "x"})
    assert (alice.tier, alice.tenant, alice.credential_id) == (Tier.PREMIUM, "acme", "c1")
    assert alice.claim("org") == "x"
    limits = {"name": "org", "limits": "1/minute", "by": "claim:org"}
    with hub_of({"limits": [limits]}) as hub:
        assert_allowed(hub.ask(caller=alice))
        assert_limited(hub.ask(caller=caller("bob", claims={"org": "x"})), by="org")
        assert_allowed(hub.ask(caller=caller("carol", claims={"org": "y"})))


def test_without_a_caller_the_address_counts() -> None:
    """And another address is another caller."""
    with hub_of({"tiers": {"free": "1/minute"}}) as hub:
        assert_allowed(hub.ask())
        assert_limited(hub.ask())
        assert_allowed(hub.ask(client="192.0.2.2"))


def test_the_api_answers_what_the_test_says() -> None:
    """A cost that the response names is charged when it has ended."""
    limits = {"name": "points", "limits": "10/minute", "cost": "response-header:x-cost"}
    costly = Response(200, Headers([(b"x-cost", b"10")]), b"done")
    with hub_of({"limits": [limits]}) as hub:
        answer = hub.ask("/search?q=a", method="POST", response=costly)
        assert (answer.body, answer.header("x-cost")) == (b"done", "10")
        assert_limited(hub.ask(), by="points")
        assert hub.ask().verdicts[-1].stage == "limit"


def test_requests_can_be_in_flight() -> None:
    """They take a place until the block ends; one that is refused takes none."""
    with hub_of({"limits": [{"name": "at-once", "limits": "1 concurrent"}]}) as hub:
        with hub.in_flight("/slow") as answered:
            assert answered is None
            assert_limited(hub.ask(), by="at-once")
            with hub.in_flight() as refused:
                assert refused is not None
                assert_limited(refused, by="at-once")
        assert_allowed(hub.ask())


def test_what_is_cached_is_answered_again() -> None:
    """The hub is the whole pipeline, and no tap of one answer hangs on the next."""
    with hub_of({"cache": {"default_ttl_s": 60}}) as hub:
        first = hub.ask("/books", response=Response(200, Headers([]), b"books"))
        second = hub.ask("/books", response=Response(200, Headers([]), b"other"))
        assert (first.body, second.body) == (b"books", b"books")
        assert "hit" in (second.header("cache-status") or "")


def test_nothing_of_the_machine_is_used(tmp_path: Path) -> None:
    """No store across the network is asked, and no file is made."""
    state_dir = tmp_path / "state"
    tree = {"state_dir": str(state_dir), "counters": {"store": "redis://127.0.0.1:1"}}
    with hub_of({**tree, "tiers": {"free": "1/minute"}}) as hub:
        assert_allowed(hub.ask())
        assert_limited(hub.ask())
    assert not state_dir.exists()


def test_nothing_is_shed() -> None:
    """What the machine can do at the moment is no matter of a test of limits."""
    overload = {"mode": "enforce", "initial_limit": 1, "min_limit": 1, "max_limit": 1}
    with hub_of({"overload": overload}) as hub, hub.in_flight("/a"):
        assert hub.ask("/b").status == 200


async def test_a_pipeline_that_waits_is_refused() -> None:
    """One request of two for the same thing waits for the other, and here nobody would wake it."""
    refused = pytest.raises(NotAvailableError, match="a pipeline that waits is not available")
    with hub_of({"cache": {"default_ttl_s": 60}}) as hub, hub.in_flight("/a"), refused:
        hub.ask("/a")


def test_tokens_are_verified(tmp_path: Path) -> None:
    """With the keys that the settings name; a file that is not there is a mistake."""
    issuer = {
        "issuer": "https://id.example",
        "audience": "api",
        "algorithms": ["ES256"],
        "keys_file": str(tmp_path / "keys.json"),
    }
    with pytest.raises(ConfigError, match=r"keys\.json"):
        hub_of({"identity": {"tokens": [issuer]}})
