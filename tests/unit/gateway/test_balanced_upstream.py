"""An upstream of several targets, put together from settings."""

from collections.abc import Callable

import pytest

from lukhas.config.balancing import BalancingSettings
from lukhas.errors import UpstreamBusyError, UpstreamConnectError, UpstreamError
from lukhas.gateway.balanced_upstream import BalancedUpstream
from lukhas.gateway.target_selection import Target
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.hub.balancing import balancing_policies
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.balancing.balancer import Candidate
from lukhas.policy.balancing.loads import Load
from lukhas.testing.clock import ManualClock


def target(key: str, answer: Callable[[], Response]) -> Target:
    async def forward(_exchange: Exchange) -> Response:
        return answer()

    return Target(Candidate(key, Load()), forward)


def refused() -> Response:
    raise UpstreamConnectError("shop", "refused", sent=False)


def named(key: bytes) -> Callable[[], Response]:
    return lambda: Response(200, Headers([]), key)


def exchange(user: bytes = b"") -> Exchange:
    headers = Headers([(b"x-user", user)] if user else [])
    return Exchange(RequestHead("POST", "http", b"a", b"/", b"", headers), "192.0.2.1", 0, b"id-1")


def upstream(
    settings: dict[str, object], *targets: Target, clock: ManualClock | None = None
) -> BalancedUpstream:
    policies = balancing_policies(BalancingSettings.model_validate(settings))
    return BalancedUpstream(
        "shop", targets, policies, clock=clock or ManualClock(), draw=lambda: 0.0
    )


async def test_settings_decide_what_happens_to_a_request() -> None:
    """Three failures of a target that was tried first, as it is said, and it is left out."""
    settings: dict[str, object] = {"balancer": "round_robin", "outliers": {"failures": 3}}
    made = upstream(settings, target("a", refused), target("b", named(b"b")))
    for failures in range(1, 6):
        assert (await made.forward(exchange())).body == b"b"
        assert (await made.forward(exchange())).body == b"b"
        assert made.left_out() == (failures >= 3)
    assert made.retries == 3


async def test_a_caller_is_bound_by_what_the_settings_name() -> None:
    """Here by a header."""
    settings: dict[str, object] = {"balancer": "consistent_hash", "hash_key": "header:X-User"}
    made = upstream(settings, *(target(f"t{n}", named(b"%d" % n)) for n in range(4)))
    for user in (b"ann", b"bob", b"eve"):
        answers = [(await made.forward(exchange(user))).body for _ in range(5)]
        assert len(set(answers)) == 1


async def test_probes_are_made_where_a_path_is_set() -> None:
    """What they tell counts as well."""
    assert upstream({}, target("a", refused)).probing is None
    bad = target("a", refused)
    made = upstream({"probes": {"path": "/", "unfit_after": 1}}, bad, target("b", named(b"b")))
    assert made.probing is not None
    await made.probing.probe(bad)
    assert made.left_out() == 1


@pytest.mark.parametrize("fault", ["refuses", "answers 503"])
async def test_an_upstream_that_fails_as_a_whole_is_left_alone_for_a_moment(fault: str) -> None:
    """Three requests in a row; then none is sent until the pause is over, and then one trial."""
    asked: list[bool] = []
    well = False

    def answer() -> Response:
        asked.append(well)
        if fault == "refuses" and not well:
            return refused()
        return Response(200 if well else 503, Headers([]), b"b")

    settings: dict[str, object] = {
        "breaker": {"failures": 3, "pause_s": 1},
        "retries": {"tries": 1},
    }
    clock = ManualClock()
    made = upstream(settings, target("a", answer), clock=clock)
    for _ in range(3):
        if fault == "refuses":
            with pytest.raises(UpstreamConnectError):
                await made.forward(exchange())
        else:
            assert (await made.forward(exchange())).status == 503
    for _ in range(5):
        with pytest.raises(UpstreamBusyError):
            await made.forward(exchange())
    assert len(asked) == 3
    clock.advance(seconds=1)
    well = True
    assert (await made.forward(exchange())).status == 200
    assert (await made.forward(exchange())).status == 200


async def test_our_own_full_pool_does_not_open_the_breaker() -> None:
    """It says nothing about the upstream."""

    def busy() -> Response:
        raise UpstreamBusyError("shop", "all in use", sent=False)

    calls: list[int] = []

    def counted() -> Response:
        calls.append(1)
        return busy()

    settings: dict[str, object] = {"breaker": {"failures": 1}, "retries": {"tries": 1}}
    made = upstream(settings, target("a", counted))
    for _ in range(3):
        with pytest.raises(UpstreamError):
            await made.forward(exchange())
    assert len(calls) == 3
