"""Cache poisoning and deception through the programmatic hub: rule R19; every probe is negative.

Whoever asks the hub is the worst caller: it answers with all that the request says, and calls that
fresh for a minute.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lukhas.config.settings import Settings
from lukhas.hub.integration import IntegrationConfig, create_optimization_hub
from lukhas.hub.programmatic import OptimizationHub
from lukhas.hub.values import InvalidRequestError

FRESH = {"cache-control": "max-age=60"}


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[OptimizationHub]:
    settings = Settings.model_validate({"state_dir": tmp_path / "state"})
    made = await create_optimization_hub(IntegrationConfig(settings=settings))
    yield made
    await made.close()


async def ask(
    hub: OptimizationHub, endpoint: str = "/x", *, user: str | None = None, **fields: str
) -> Any:
    """What the caller gets: all that was asked, by itself or by somebody before it."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    headers = {"host": "a.example"} | named
    allowed, result = await hub.process_api_request(
        endpoint=endpoint, method="GET", headers=headers, user_id=user
    )
    assert allowed
    if not result["cached"]:
        said = {"endpoint": endpoint, "user": user, "headers": headers}
        await hub.complete_api_request(result["request_id"], said, 200, headers=FRESH)
        return said
    return result["response"]


async def test_a_plain_answer_is_shared(hub: OptimizationHub) -> None:
    """Else the probes below would prove nothing."""
    await ask(hub)
    allowed, again = await hub.process_api_request(
        endpoint="/x", method="GET", headers={"host": "a.example"}
    )
    assert allowed
    assert again["cached"]


@pytest.mark.parametrize("field", ["authorization", "cookie", "x_api_key"])
@pytest.mark.parametrize("to", ["B", None])
async def test_r19_3_no_principal_gets_the_answer_of_another(
    hub: OptimizationHub, field: str, to: str | None
) -> None:
    """From A to B, and from A to nobody."""
    await ask(hub, **{field: "secret-of-A"})
    answer = await ask(hub, **({field: to} if to else {}))
    assert "secret-of-A" not in str(answer)


@pytest.mark.parametrize("to", ["B", None])
async def test_r19_3_no_user_gets_the_answer_of_another(
    hub: OptimizationHub, to: str | None
) -> None:
    """Users that the caller has made sure of are principals too."""
    await ask(hub, user="secret-A")
    assert "secret-A" not in str(await ask(hub, user=to))


@pytest.mark.parametrize(
    "field",
    [
        "forwarded",
        "x_forwarded_host",
        "x_forwarded_scheme",
        "x_forwarded_prefix",
        "x_host",
        "x_original_url",
        "x_rewrite_url",
        "x_http_method_override",
    ],
)
async def test_r19_1_fields_that_reroute_do_not_shape_what_others_get(
    hub: OptimizationHub, field: str
) -> None:
    """The caller sees them, so they are a part of what is looked up."""
    await ask(hub, **{field: "evil"})
    assert "evil" not in str(await ask(hub))


@pytest.mark.parametrize("endpoint", ["/x?a=1&b=evil", "/x;evil", "/x/evil.css"])
async def test_r19_other_addresses_are_other_entries(hub: OptimizationHub, endpoint: str) -> None:
    """No spelling of another address ends at the same entry."""
    await ask(hub, endpoint)
    assert "evil" not in str(await ask(hub, "/x"))


async def test_r19_hosts_have_entries_of_their_own(hub: OptimizationHub) -> None:
    """What one host says is no answer of another."""
    await ask(hub, host="evil.example")
    assert "evil" not in str(await ask(hub))


async def test_r19_an_encoded_slash_is_no_endpoint(hub: OptimizationHub) -> None:
    """Who decodes it later would see another address than the cache did."""
    with pytest.raises(InvalidRequestError, match="encoded slash"):
        await ask(hub, "/x%2Fevil")


@pytest.mark.parametrize("hosts", [("a.example", "evil.example"), ("a.example/evil",), ("",)])
async def test_r19_one_valid_host_or_none(hub: OptimizationHub, hosts: tuple[str, ...]) -> None:
    """Else the caller and the cache might read different ones."""
    headers = [("Host", host) for host in hosts]
    with pytest.raises(InvalidRequestError, match="Host"):
        await hub.process_api_request(endpoint="/x", method="GET", headers=headers)
