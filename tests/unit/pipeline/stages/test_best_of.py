"""lukhas.pipeline.stages.best_of: the upstream of each exchange that goes on to one."""

from collections import Counter

import pytest

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stages.best_of import BestOfStage
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.best_of import BestOf
from lukhas.policy.routing.routes import RouteMatch, RouteRule
from lukhas.testing.clock import ManualClock
from lukhas.units import MILLISECOND_NS

LARGE = frozenset((Tier.PREMIUM,))


class Kit:
    """The stage of one route; draws what it is told to, again and again."""

    def __init__(self, best_of: BestOf, *drawn: float) -> None:
        self.clock = ManualClock()
        self.drawn = list(drawn or (0.1, 0.1))
        self.rule = RouteRule(best_of.name, "*", CachePolicy(), upstream="a", best_of=best_of)
        self.stage = BestOfStage([best_of], self.clock, self._draw)

    def _draw(self) -> float:
        self.drawn.append(self.drawn.pop(0))
        return self.drawn[-1]

    def exchange(self, tier: Tier | None = None, key: str = "k") -> Exchange:
        head = RequestHead("GET", "http", b"a.example", b"/", b"", Headers([]))
        exchange = Exchange(head, "192.0.2.1", self.clock.now_ns(), b"id")
        exchange.route = RouteMatch(self.rule)
        if tier is not None:
            exchange.consumer = Consumer(key, tier)
        return exchange

    def chosen(self, tier: Tier | None = None, key: str = "k") -> str:
        exchange = self.exchange(tier, key)
        self.stage.enter(exchange)
        return exchange.upstream


def test_an_exchange_gets_its_upstream_and_says_why() -> None:
    """The cache looks up the same as before."""
    kit = Kit(BestOf("r", ("a", "b"), (1, 1)), 0.9, 0.9)
    exchange = kit.exchange()
    keyed = exchange.head.keyed
    kit.stage.enter(exchange)
    assert exchange.upstream_name == exchange.best_of.name == "b"
    assert exchange.head.keyed == keyed
    (verdict,) = exchange.verdicts
    assert verdict.verdict().reason == "upstream b: by its part of the requests"


def test_other_routes_pass_by() -> None:
    """They keep their upstream, and nothing is told of them."""
    kit = Kit(BestOf("r", ("a", "b"), (1, 1)))
    plain, lost = kit.exchange(), kit.exchange()
    plain.route = RouteMatch(RouteRule("s", "/s", CachePolicy(), upstream="c"))
    lost.route = None
    for exchange in (plain, lost):
        kit.stage.enter(exchange)
        assert (exchange.upstream, exchange.verdicts) == ("", [])


def test_an_upstream_that_stands_in_holds() -> None:
    """What was chosen before is chosen anew: another look at the same upstreams."""
    kit = Kit(BestOf("r", ("a", "b"), (1, 1)))
    exchange = kit.exchange()
    exchange.upstream = "spare"
    kit.stage.enter(exchange)
    assert exchange.upstream == "spare"
    again = kit.exchange()
    kit.stage.enter(again)
    first = again.best_of
    kit.stage.enter(again)
    assert again.best_of is not first
    again.upstream = "spare"
    kit.stage.enter(again)
    assert again.upstream == "spare"


@pytest.mark.parametrize(("tier", "names"), [(None, {"a"}), (Tier.PREMIUM, {"a", "b"})])
def test_tiers_get_what_they_may_use(tier: Tier | None, names: set[str]) -> None:
    """Who is not known is of the lowest."""
    kit = Kit(BestOf("r", ("a", "b"), (1, 1), (frozenset(), LARGE)), 0.1, 0.3, 0.5, 0.7, 0.9)
    assert {kit.chosen(tier) for _ in range(20)} == names


def test_a_caller_stays_where_it_is_bound() -> None:
    """Others go elsewhere; without a caller each request is drawn for."""
    kit = Kit(BestOf("r", ("a", "b"), (1, 1), by="consumer"), 0.1, 0.9)
    by_key = {key: {kit.chosen(Tier.FREE, key) for _ in range(6)} for key in map(str, range(20))}
    assert all(len(found) == 1 for found in by_key.values())
    assert Counter(next(iter(found)) for found in by_key.values()).keys() == {"a", "b"}


@pytest.mark.parametrize("per_tier", [False, True])
def test_each_tier_may_have_a_race_of_its_own(*, per_tier: bool) -> None:
    """What premium requests meet then says nothing about others."""
    kit = Kit(BestOf("r", ("a", "b"), (1, 1), per_tier=per_tier), 0.3, 0.3)
    exchange = kit.exchange(Tier.PREMIUM)
    kit.stage.enter(exchange)
    for _ in range(5):
        exchange.best_of.race.began(0, kit.clock.now_ns())
        exchange.best_of.race.answered(0, MILLISECOND_NS, kit.clock.now_ns(), failed=True)
    assert kit.chosen(Tier.PREMIUM) == "b"
    assert kit.chosen(Tier.FREE) == ("a" if per_tier else "b")


def test_one_without_fit_servers_is_left_out() -> None:
    """As soon as somebody tells which that are."""
    kit = Kit(BestOf("r", ("a", "b"), (1, 1)))
    assert kit.chosen() == "a"
    kit.stage.watch(lambda name: name != "a")
    assert kit.chosen() == "b"
