"""The settings about balancing as the policies that decide."""

import pytest

from lukhas.config.balancing import BalancingSettings
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.hub.balancing import balancing_policies
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.access.consumers import anonymous
from lukhas.policy.balancing.balancer import Balancer
from lukhas.policy.balancing.consistent_hash import ConsistentHash
from lukhas.policy.balancing.least_requests import LeastRequests
from lukhas.policy.balancing.peak_ewma import PeakEwma
from lukhas.policy.balancing.round_robin import RoundRobin
from lukhas.policy.breaker import BreakerSettings
from lukhas.policy.resilience.outliers import OutlierSettings
from lukhas.policy.resilience.probes import ProbeSettings
from lukhas.policy.resilience.retries import RetrySettings
from lukhas.units import MILLISECOND_NS, SECOND_NS


def test_every_setting_arrives() -> None:
    """In the units of the policies."""
    policies = balancing_policies(
        BalancingSettings.model_validate(
            {
                "outliers": {
                    "failures": 3,
                    "pause_s": 4,
                    "longest_pause_s": 5,
                    "most_percent": 60,
                },
                "probes": {
                    "path": "/healthz?x",
                    "interval_s": 5,
                    "timeout_s": 1,
                    "unfit_after": 4,
                    "fit_after": 6,
                    "least_status": 204,
                    "most_status": 205,
                },
                "breaker": {"failures": 9, "pause_s": 1, "longest_pause_s": 3, "trials": 2},
                "warm_up_s": 7,
                "panic_percent": 25,
                "retries": {
                    "tries": 4,
                    "statuses": [503],
                    "budget_percent": 10,
                    "least_per_second": 8,
                    "first_pause_s": 0.002,
                    "longest_pause_s": 0.009,
                },
            }
        )
    )
    assert policies.outliers == OutlierSettings(3, 4 * SECOND_NS, 5 * SECOND_NS, 0.6)
    assert (policies.warm_up_ns, policies.panic_share) == (7 * SECOND_NS, 0.25)
    assert policies.retries == RetrySettings(
        4, frozenset((503,)), 0.1, 8, 2 * MILLISECOND_NS, 9 * MILLISECOND_NS
    )
    assert policies.probes == ProbeSettings(b"/healthz?x", 5 * SECOND_NS, SECOND_NS, 4, 6, 204, 205)
    assert policies.breaker == BreakerSettings(
        failures=9, pause_ns=SECOND_NS, longest_pause_ns=3 * SECOND_NS, trials=2
    )
    assert policies.sticky is None


def test_the_defaults_are_those_of_the_policies() -> None:
    """Said once more in the settings, and not otherwise."""
    policies = balancing_policies(BalancingSettings())
    assert policies.outliers == OutlierSettings()
    assert policies.retries == RetrySettings()
    assert policies.probes is None
    assert policies.breaker is None
    asked = balancing_policies(BalancingSettings.model_validate({"probes": {"path": "/"}}))
    assert asked.probes == ProbeSettings()


@pytest.mark.parametrize(
    ("kind", "balancer"),
    [
        ("peak_ewma", PeakEwma),
        ("round_robin", RoundRobin),
        ("least_requests", LeastRequests),
        ("consistent_hash", ConsistentHash),
    ],
)
def test_each_kind_is_its_balancer(kind: str, balancer: type[Balancer]) -> None:
    """By its name in the settings."""
    given = {"balancer": kind}
    if kind == "consistent_hash":
        given["hash_key"] = "client"
    made = balancing_policies(BalancingSettings.model_validate(given)).balancer
    assert isinstance(made, balancer)


@pytest.mark.parametrize(
    ("hash_key", "bound_by"),
    [
        ("client", b"192.0.2.1"),
        ("consumer", b"addr:192.0.2.1"),
        ("header:X-User", b"ann"),
        ("header:x-other", b""),
        ("cookie:sid", b"s1"),
        ("cookie:SID", b""),
    ],
)
def test_what_binds_a_caller(hash_key: str, bound_by: bytes) -> None:
    """Read from the exchange; empty where it has none."""
    given = {"balancer": "consistent_hash", "hash_key": hash_key}
    sticky = balancing_policies(BalancingSettings.model_validate(given)).sticky
    headers = Headers.of([("x-user", "ann"), ("cookie", "a=1; sid=s1")])
    exchange = Exchange(
        RequestHead("GET", "http", b"a.example", b"/", b"", headers), "192.0.2.1", 0, b"id-1"
    )
    assert sticky is not None
    if hash_key == "consumer":
        assert sticky(exchange) == b""
        exchange.consumer = anonymous("192.0.2.1")
    assert sticky(exchange) == bound_by
