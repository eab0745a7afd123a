"""Tokens in a whole pipeline: identity, limits, and what is cached for whom."""

from pathlib import Path
from typing import Any

import pytest

from lukhas.config.settings import Settings
from lukhas.errors import ConfigError
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.hub.hub import Hub
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.testing.clock import ManualClock
from tests.unit.identity import token_kit as kit
from tests.unit.identity.token_kit import CLAIMS, NOW_NS, token


def hub_with(folder: Path, *, file: str = "keys", **more: Any) -> Hub:
    issuer = {
        "issuer": kit.ISSUER,
        "audience": kit.AUDIENCE,
        "keys_file": str(folder / file),
        "tier_claim": "plan",
        "tiers": {"gold": "premium"},
        "tenant_claim": "org",
        "keep_claims": ["team"],
    }
    identity = {"tokens": [issuer]} | more
    settings = Settings.model_validate({"state_dir": folder, "identity": identity})
    return Hub(settings, clock=ManualClock(NOW_NS))


def ask(hub: Hub, *values: bytes) -> Exchange:
    headers = Headers([(b"authorization", value) for value in values])
    head = RequestHead("GET", "http", b"a.example", b"/", b"", headers)
    return hub.intake.exchange(head, "192.0.2.1")


def bearer(**claims: Any) -> bytes:
    return b"Bearer " + token(CLAIMS | {"org": "acme"} | claims)


async def personal(exchange: Exchange) -> Response:
    who = exchange.consumer.name if exchange.consumer is not None else ""
    return Response(200, Headers([(b"cache-control", b"max-age=60")]), who.encode())


async def test_a_token_sets_tier_tenant_and_claims(tmp_path: Path) -> None:
    """From the settings to the consumer."""
    kit.key_file(tmp_path, kit.pem(kit.rsa_key()))
    hub = hub_with(tmp_path)
    await hub.start(with_keys=False)
    exchange = ask(hub, bearer(plan="gold", team="core"))
    response = await hub.pipeline.around(personal)(exchange)
    consumer = exchange.consumer
    assert consumer is not None
    assert (consumer.tier, consumer.tenant) == (Tier.PREMIUM, "acme")
    assert consumer.claim("team") == "core"
    policies = response.headers.get(b"ratelimit-policy") or b""
    assert b"premium" in policies + b"".join(value for _, value in exchange.added)
    await hub.close()


async def test_no_holder_of_a_token_gets_the_body_of_another(tmp_path: Path) -> None:
    """A request with a token is personal, as one with a key is; within a tenant too."""
    kit.key_file(tmp_path, kit.pem(kit.rsa_key()))
    hub = hub_with(tmp_path)
    handler = hub.pipeline.around(personal)
    for name in ("anna", "bert", "anna"):
        exchange = ask(hub, bearer(sub=name))
        assert (await handler(exchange)).body == name.encode()
        assert exchange.cache_result == "miss"
    assert (await handler(ask(hub))).body == b""


async def test_a_bad_token_is_refused_and_a_foreign_one_is_not(tmp_path: Path) -> None:
    """Without `start` too: the keys are read when the first token comes."""
    kit.key_file(tmp_path, kit.pem(kit.rsa_key()))
    hub = hub_with(tmp_path)
    handler = hub.pipeline.around(personal)
    assert (await handler(ask(hub, bearer(org="")))).status == 401
    assert (await handler(ask(hub, bearer(iss="https://other.example.com/")))).status == 200


async def test_keys_that_cannot_be_read_refuse_to_start(tmp_path: Path) -> None:
    """With the file and the reason; and who goes on all the same gets 503."""
    hub = hub_with(tmp_path, file="missing")
    with pytest.raises(ConfigError, match="missing"):
        await hub.start(with_keys=False)
    response = await hub.pipeline.around(personal)(ask(hub, bearer()))
    assert response.status == 503


async def test_health_tells_of_a_broken_key_file(tmp_path: Path) -> None:
    """The part is degraded while the keys before are in force."""
    path = kit.key_file(tmp_path, kit.pem(kit.rsa_key()))
    hub = hub_with(tmp_path)
    await hub.start(with_keys=False)

    def part() -> tuple[str, str]:
        (found,) = [part for part in hub.parts() if part.name == "token-keys"]
        return found.state, found.detail

    assert part() == ("ok", "")
    handler = hub.pipeline.around(personal)
    path.write_text("{", encoding="ascii")
    assert (await handler(ask(hub, bearer()))).status == 200
    state, detail = part()
    assert state == "degraded"
    assert "neither a JWKS nor PEM" in detail
    await hub.close()


async def test_off_verifies_nothing(tmp_path: Path) -> None:
    """With identity.mode = off the key file is not even opened."""
    hub = hub_with(tmp_path, file="missing", mode="off")
    await hub.start(with_keys=False)
    assert (await hub.pipeline.around(personal)(ask(hub, bearer()))).status == 200
    assert [part for part in hub.parts() if part.name == "token-keys"] == []
    await hub.close()
