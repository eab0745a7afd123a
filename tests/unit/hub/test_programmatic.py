"""The programmatic way in: ask before, report after."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lukhas.config.settings import Settings
from lukhas.hub.integration import IntegrationConfig, IntegrationMode, create_optimization_hub
from lukhas.hub.programmatic import OptimizationHub, UnknownRequestError
from lukhas.hub.values import InvalidRequestError
from lukhas.policy.explain.reevaluation import reevaluate
from lukhas.policy.rate_limiting.tiers import Tier


def settings_in(tmp_path: Path, **values: object) -> Settings:
    return Settings.model_validate({"state_dir": tmp_path / "state"} | values)


async def hub_of(tmp_path: Path, **values: object) -> OptimizationHub:
    return await create_optimization_hub(
        IntegrationConfig(settings=settings_in(tmp_path, **values))
    )


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[OptimizationHub]:
    """A hub with the defaults of `IntegrationConfig`."""
    made = await hub_of(tmp_path)
    yield made
    await made.close()


async def test_the_usage_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of the original description works as it stands there."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    response_data = {"users": [{"id": 1}, {"id": 2}]}

    from api.optimization.integration_hub import (
        IntegrationConfig,
        IntegrationMode,
        create_optimization_hub,
    )

    hub = await create_optimization_hub(
        IntegrationConfig(
            mode=IntegrationMode.PRODUCTION,
            enable_intelligent_routing=True,
            enable_predictive_caching=True,
            enable_auto_scaling=True,
        )
    )
    allowed, result = await hub.process_api_request(
        endpoint="/api/v1/users",
        method="GET",
        headers={"Authorization": "Bearer token"},
        user_id="user_123",
    )
    assert allowed
    assert not result["cached"]
    await hub.complete_api_request(result["request_id"], response_data, 200)

    allowed, again = await hub.process_api_request(
        endpoint="/api/v1/users",
        method="GET",
        headers={"Authorization": "Bearer token"},
        user_id="user_123",
    )
    assert allowed
    assert again["cached"]
    assert again["status"] == 200
    assert again["response"] == response_data
    assert again["request_id"] != result["request_id"]
    with pytest.raises(UnknownRequestError):
        await hub.complete_api_request(again["request_id"], response_data, 200)

    allowed, other = await hub.process_api_request(
        endpoint="/api/v1/users",
        method="GET",
        headers={"Authorization": "Bearer token"},
        user_id="user_456",
    )
    assert allowed
    assert not other["cached"]

    states = {part.name: part.state for part in hub.parts()}
    for feature in ("intelligent-routing", "predictive-caching", "auto-scaling"):
        assert states[feature] == "not_available"
    await hub.close()


async def test_other_token_of_a_user_is_another_entry(hub: OptimizationHub) -> None:
    """Entries are apart by credential as well as by user."""
    _, result = await hub.process_api_request(
        endpoint="/x", method="GET", headers={"Authorization": "Bearer a"}, user_id="u"
    )
    await hub.complete_api_request(result["request_id"], "mine")
    _, other = await hub.process_api_request(
        endpoint="/x", method="GET", headers={"Authorization": "Bearer b"}, user_id="u"
    )
    assert not other["cached"]


async def test_limits_refuse(tmp_path: Path) -> None:
    """A user over the limit of the tier is refused and told for how long; others are not."""
    hub = await hub_of(tmp_path, tiers={"free": "2/hour", "basic": "3/hour"})
    for _ in range(2):
        allowed, _ = await hub.process_api_request(endpoint="/x", method="POST", user_id="u")
        assert allowed
    allowed, result = await hub.process_api_request(endpoint="/x", method="POST", user_id="u")
    assert not allowed
    assert result["status"] == 429
    # The hour's count is let go in slots, so the last may take a little longer than the hour.
    assert 0 < result["retry_after_s"] <= 4000
    assert result["problem"]["status"] == 429
    assert "response" not in result
    for user, tier in (("v", Tier.FREE), ("w", "basic")):
        allowed, _ = await hub.process_api_request(
            endpoint="/x", method="POST", user_id=user, tier=tier
        )
        assert allowed
    await hub.close()


async def test_unknown_callers_are_told_apart_by_address(tmp_path: Path) -> None:
    """Without a user the address counts."""
    hub = await hub_of(tmp_path, tiers={"free": "1/hour"})
    verdicts = [
        (await hub.process_api_request(endpoint="/x", method="POST", client_address=address))[0]
        for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2")
    ]
    assert verdicts == [True, False, True]
    await hub.close()


async def test_shadow_mode_lets_all_through(tmp_path: Path) -> None:
    """In shadow mode the cache answers nothing."""
    config = IntegrationConfig(mode=IntegrationMode.SHADOW, settings=settings_in(tmp_path))
    hub = await create_optimization_hub(config)
    for _ in range(2):
        allowed, result = await hub.process_api_request(endpoint="/x", method="GET", user_id="u")
        assert (allowed, result["cached"]) == (True, False)
        await hub.complete_api_request(result["request_id"], {"a": 1})
    await hub.close()


async def test_shadow_mode_refuses_nothing(tmp_path: Path) -> None:
    """In shadow mode every request is let through, that of a user over the limit too."""
    settings = settings_in(tmp_path, tiers={"free": "1/hour"})
    hub = await create_optimization_hub(
        IntegrationConfig(mode=IntegrationMode.SHADOW, settings=settings)
    )
    for _ in range(3):
        allowed, _ = await hub.process_api_request(endpoint="/x", method="POST", user_id="u")
        assert allowed
    await hub.close()


async def test_shadow_mode_sheds_nothing(tmp_path: Path) -> None:
    """In shadow mode what is too much for the upstream is let through, and counted."""
    one = {"mode": "enforce", "min_limit": 1, "max_limit": 1, "initial_limit": 1}
    hub = await create_optimization_hub(
        IntegrationConfig(mode=IntegrationMode.SHADOW, settings=settings_in(tmp_path, overload=one))
    )
    for _ in range(3):
        allowed, _ = await hub.process_api_request(endpoint="/x", method="POST", user_id="u")
        assert allowed
    assert hub.recorder.snapshot().shed == {("free", "shadow"): 2}
    await hub.close()


async def test_a_caller_that_has_too_much_in_work_is_refused(tmp_path: Path) -> None:
    """A request holds its slot from `process_api_request` to its completion, or its failure."""
    one = {"mode": "enforce", "min_limit": 1, "max_limit": 1, "initial_limit": 1, "queue_s": 0}
    hub = await hub_of(tmp_path, overload=one)

    async def begin() -> tuple[bool, dict[str, object]]:
        return await hub.process_api_request(endpoint="/x", method="POST", user_id="u")

    _, first = await begin()
    allowed, refused = await begin()
    assert (allowed, refused["status"]) == (False, 503)
    assert refused["retry_after_s"] in range(1, 6)
    await hub.complete_api_request(str(first["request_id"]), {"a": 1})
    allowed, second = await begin()
    assert allowed
    with pytest.raises(ValueError, match="broken"):
        await hub.fail_api_request(str(second["request_id"]), ValueError("broken"))
    assert (await begin())[0]
    await hub.close()


async def test_no_ttl_keeps_nothing(tmp_path: Path) -> None:
    """With `cache_ttl_s=0` only responses that say so themselves are kept."""
    hub = await create_optimization_hub(
        IntegrationConfig(cache_ttl_s=0, settings=settings_in(tmp_path))
    )
    for headers, cached in (({}, False), ({"Cache-Control": "max-age=60"}, True)):
        _, result = await hub.process_api_request(endpoint="/x", method="GET", user_id="u")
        await hub.complete_api_request(result["request_id"], "text", headers=headers)
        _, again = await hub.process_api_request(endpoint="/x", method="GET", user_id="u")
        assert again["cached"] is cached
    await hub.close()


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"\x00\x01", "application/octet-stream"),
        ("t\u00e4xt", "text/plain; charset=utf-8"),
        ({"a": [1, None]}, "application/json"),
        (None, "application/json"),
    ],
)
async def test_what_a_response_may_be(
    hub: OptimizationHub, data: object, content_type: str
) -> None:
    """Bytes, text and JSON come back from the cache as they were given."""
    _, result = await hub.process_api_request(endpoint="/x", method="get", user_id="u")
    done = await hub.complete_api_request(result["request_id"], data)
    assert done["response"] == data
    assert ("content-type", content_type) in done["headers"]
    _, again = await hub.process_api_request(endpoint="/x", method="GET", user_id="u")
    assert again["cached"]
    assert again["response"] == data


async def test_own_content_type_stays(hub: OptimizationHub) -> None:
    """A given Content-Type is kept, a given Content-Length is not believed."""
    _, result = await hub.process_api_request(endpoint="/x", method="GET")
    done = await hub.complete_api_request(
        result["request_id"],
        "<p>",
        headers=[("Content-Type", "text/html"), ("Content-Length", "9")],
    )
    assert ("content-type", "text/html") in done["headers"]
    assert ("content-length", "3") in done["headers"]


async def test_failure_is_reported_and_raised(hub: OptimizationHub) -> None:
    """A failed request is counted, and the caller's own error comes back."""
    _, result = await hub.process_api_request(endpoint="/x", method="GET", user_id="u")
    with pytest.raises(ZeroDivisionError):
        await hub.fail_api_request(result["request_id"], ZeroDivisionError())
    assert hub.recorder.in_flight == 0


async def test_stale_response_stands_in_for_a_failure(hub: OptimizationHub) -> None:
    """Where the stored response allows it, it is given instead of the error (RFC 5861)."""
    _, result = await hub.process_api_request(endpoint="/x", method="GET", user_id="u")
    await hub.complete_api_request(
        result["request_id"], "old", headers={"Cache-Control": "max-age=0, stale-if-error=60"}
    )
    _, result = await hub.process_api_request(endpoint="/x", method="GET", user_id="u")
    assert not result["cached"]
    stood_in = await hub.fail_api_request(result["request_id"], ZeroDivisionError())
    assert (stood_in["cached"], stood_in["response"]) == (True, "old")


async def test_confirmation_of_something_else(hub: OptimizationHub) -> None:
    """A 304 that confirms another response than the stored one leaves nothing to send."""
    _, result = await hub.process_api_request(endpoint="/x", method="GET", user_id="u")
    stale = {"Cache-Control": "max-age=0", "ETag": '"one"'}
    await hub.complete_api_request(result["request_id"], "old", headers=stale)
    _, result = await hub.process_api_request(endpoint="/x", method="GET", user_id="u")
    assert not result["cached"]
    done = await hub.complete_api_request(result["request_id"], b"", 304, headers={"ETag": '"two"'})
    assert (done["status"], done["cached"]) == (None, False)
    assert hub.recorder.in_flight == 0


async def test_confirmation_of_the_stored_response(hub: OptimizationHub) -> None:
    """A 304 that confirms it brings the stored response."""
    _, result = await hub.process_api_request(endpoint="/x", method="GET", user_id="u")
    stale = {"Cache-Control": "max-age=0", "ETag": '"one"'}
    await hub.complete_api_request(result["request_id"], "old", headers=stale)
    _, result = await hub.process_api_request(endpoint="/x", method="GET", user_id="u")
    done = await hub.complete_api_request(
        result["request_id"], b"", 304, headers={"ETag": '"one"', "Content-Type": "text/plain"}
    )
    assert (done["response"], done["cached"]) == ("old", True)


async def test_close_gives_up_what_is_open(tmp_path: Path) -> None:
    """Closing ends every request that was never completed."""
    hub = await hub_of(tmp_path)
    _, result = await hub.process_api_request(endpoint="/x", method="GET", user_id="u")
    await hub.close()
    assert hub.recorder.in_flight == 0
    with pytest.raises(UnknownRequestError) as raised:
        await hub.complete_api_request(result["request_id"], "late")
    assert raised.value.request_id == result["request_id"]


async def test_forgotten_requests_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest request that was never completed is given up when there are too many."""
    monkeypatch.setattr("lukhas.hub.programmatic._MAX_PENDING", 2)
    hub = await hub_of(tmp_path)
    ids = []
    for number in range(3):
        _, result = await hub.process_api_request(endpoint=f"/{number}", method="POST")
        ids.append(result["request_id"])
    with pytest.raises(UnknownRequestError):
        await hub.complete_api_request(ids[0], "late")
    assert (await hub.complete_api_request(ids[2], "fine"))["status"] == 200
    await hub.close()


async def test_own_request_ids(hub: OptimizationHub) -> None:
    """A caller's request id is kept; one that is under way cannot be begun again."""
    headers = {"X-Request-ID": "mine-1"}
    _, result = await hub.process_api_request(endpoint="/x", method="POST", headers=headers)
    assert result["request_id"] == "mine-1"
    with pytest.raises(InvalidRequestError, match="under way"):
        await hub.process_api_request(endpoint="/x", method="POST", headers=headers)
    assert (await hub.complete_api_request("mine-1", "done"))["response"] == "done"


@pytest.mark.parametrize(
    "bad",
    [
        {"endpoint": "users"},
        {"endpoint": ""},
        {"endpoint": "/a b"},
        {"endpoint": "/../x"},
        {"endpoint": "/t\u00e4xt"},
        {"method": "GE T"},
        {"method": ""},
        {"method": "G\u00cbT"},
        {"headers": {"X": "a\r\nb"}},
        {"headers": {"X": "\u20ac"}},
        {"headers": [("X", "a\0b")]},
    ],
)
async def test_bad_requests(hub: OptimizationHub, bad: dict[str, object]) -> None:
    """What is no request is refused with an error that says so, and leaves nothing behind."""
    with pytest.raises(InvalidRequestError):
        await hub.process_api_request(**({"endpoint": "/x", "method": "GET"} | bad))  # type: ignore[arg-type]
    assert hub.recorder.in_flight == 0


@pytest.mark.parametrize(
    ("data", "status", "headers"),
    [
        ("x", 100, {}),
        ("x", 600, {}),
        (object(), 200, {}),
        ("x", 200, {"X": "a\nb"}),
    ],
)
async def test_bad_responses(
    hub: OptimizationHub, data: object, status: int, headers: dict[str, str]
) -> None:
    """What is no response is refused, and the request can still be completed properly."""
    _, result = await hub.process_api_request(endpoint="/x", method="GET")
    with pytest.raises(InvalidRequestError):
        await hub.complete_api_request(result["request_id"], data, status, headers=headers)
    assert (await hub.complete_api_request(result["request_id"], "fine"))["status"] == 200


async def test_absolute_endpoints_have_their_host(hub: OptimizationHub) -> None:
    """The same path of two hosts is two resources."""
    _, result = await hub.process_api_request(endpoint="http://a.example/x", method="GET")
    await hub.complete_api_request(result["request_id"], "a")
    _, other = await hub.process_api_request(endpoint="http://b.example/x", method="GET")
    assert not other["cached"]


async def test_refusals_of_the_caller_are_problems(hub: OptimizationHub) -> None:
    """A 503 that the caller reports comes back as a problem with its time to wait."""
    _, result = await hub.process_api_request(endpoint="/x", method="GET")
    done = await hub.complete_api_request(
        result["request_id"], {"busy": True}, 503, headers={"Retry-After": "7"}
    )
    assert (done["problem"], done["retry_after_s"]) == ({"busy": True}, 7)


async def test_keys_are_used_where_a_table_is_there(tmp_path: Path) -> None:
    """The hub makes no key table of its own, and says so; one that is there is opened."""
    hub = await hub_of(tmp_path)
    assert {part.name: part.state for part in hub.parts()}["api-keys"] == "not_available"
    await hub.close()
    first = OptimizationHub(settings_in(tmp_path))
    await first.start()
    await first.start()
    await first.close()
    second = await hub_of(tmp_path)
    assert {part.name: part.state for part in second.parts()}["api-keys"] == "ok"
    await second.close()


async def test_a_refusal_is_explained_by_its_id(tmp_path: Path) -> None:
    """In the process itself, without an admin process; what passes leaves no record."""
    hub = await hub_of(tmp_path, tiers={"free": "1/minute"})
    asked = {"endpoint": "/a", "method": "GET", "user_id": "u"}
    _, passed = await hub.process_api_request(**asked)  # type: ignore[arg-type]
    await hub.complete_api_request(passed["request_id"], "ok")
    _, refused = await hub.process_api_request(**asked)  # type: ignore[arg-type]
    record = hub.explain(refused["request_id"])
    assert record is not None
    assert (record.why, record.status, record.consumer) == ("refused", 429, "user:u")
    assert all(each.same for each in reevaluate(record))
    assert hub.explain(passed["request_id"]) is None
    await hub.close()


async def test_records_can_be_switched_off(tmp_path: Path) -> None:
    """Then there is nothing that makes any."""
    hub = await hub_of(tmp_path, tiers={"free": "1/minute"}, explain={"enabled": False})
    for _ in range(2):
        _, result = await hub.process_api_request(endpoint="/a", method="GET", user_id="u")
    assert result["status"] == 429
    assert hub.explain(result["request_id"]) is None
    await hub.close()
