"""What the observe stage records for the history."""

import pytest

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stages.observe import ObserveStage
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.routes import RouteMatch, RouteRule
from lukhas.policy.verdicts import Outcome, Verdict
from lukhas.telemetry.recorder import Recorder
from lukhas.telemetry.series import SeriesLabels
from tests.unit.pipeline.stages.test_observe import ManualClock, decision


def exchange_of(*, upstream: str = "") -> Exchange:
    headers = Headers([(b"user-agent", b"curl/8")])
    head = RequestHead("GET", "http", b"api.test", b"/orders/1", b"", headers)
    exchange = Exchange(head, "192.0.2.1", 1_000_000, b"id-1")
    exchange.route = RouteMatch(RouteRule("orders", "/orders", CachePolicy(name="default")))
    exchange.consumer = Consumer("key:a", Tier.PREMIUM, tenant="acme")
    exchange.upstream = upstream
    exchange.cache_result = "miss"
    return exchange


def recorded(exchange: Exchange, status: int) -> SeriesLabels:
    recorder = Recorder()
    stage = ObserveStage(recorder, ManualClock())
    stage.answered(exchange, Response(status, Headers([]), b""))
    history = recorder.drain_history()
    assert history.agents.total().requests == 1
    (labels,) = history.series
    return labels


def test_every_label_comes_from_the_exchange() -> None:
    """Tenant, and the upstream that was chosen or else the one of the route."""
    labels = recorded(exchange_of(), 200)
    default = exchange_of().upstream_name
    assert labels == SeriesLabels(
        "/orders", "GET", "2xx", "premium", "acme", default, "miss", "passed"
    )
    assert recorded(exchange_of(upstream="canary"), 200).upstream == "canary"


@pytest.mark.parametrize(
    ("outcome", "mode", "status", "word"),
    [
        (Outcome.REFUSED, Mode.ENFORCE, 401, "refused"),
        (Outcome.REFUSED, Mode.SHADOW, 404, "passed"),
        (Outcome.PASSED, Mode.ENFORCE, 404, "passed"),
    ],
)
def test_a_refusal_is_one_of_a_policy(outcome: Outcome, mode: Mode, status: int, word: str) -> None:
    """An error of the origin is none, nor what shadow mode would have refused."""
    exchange = exchange_of()
    exchange.verdicts.append(Verdict("identify", outcome, "no key", mode=mode))
    assert recorded(exchange, status).verdict == word


def test_overload_has_its_own_word() -> None:
    """What was shed was not refused for anything that the client did."""
    exchange = exchange_of()
    exchange.shed = True
    assert recorded(exchange, 503).verdict == "shed"


def test_before_anything_is_known_there_are_labels() -> None:
    """Neither route nor consumer."""
    exchange = exchange_of()
    exchange.route = exchange.consumer = None
    assert recorded(exchange, 400)[:6] == (
        "unmatched",
        "GET",
        "4xx",
        "none",
        "none",
        exchange.upstream_name,
    )


@pytest.mark.parametrize(
    ("refuses", "shadow", "status", "word"),
    [("tiers", "", 429, "limited"), ("", "tiers", 200, "shadow"), ("", "", 200, "passed")],
)
def test_limits_have_words(refuses: str, shadow: str, status: int, word: str) -> None:
    """What a limit refused, and what one in shadow mode would have."""
    exchange = exchange_of()
    exchange.limit = decision(refuses=refuses, shadow=shadow)
    assert recorded(exchange, status).verdict == word
