"""The identify stage."""

import json
import logging
from dataclasses import replace

import pytest

from lukhas.errors import StoreError
from lukhas.http.client_address import TrustedProxies
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.identity.credentials import CredentialCache
from lukhas.identity.minting import mint_key
from lukhas.identity.pepper import Pepper
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stages.identify import IdentifyStage, IdentitySettings
from lukhas.policy.access.api_keys import ApiKeyRecord, Rejection
from lukhas.policy.access.consumers import Consumer, anonymous
from lukhas.policy.modes import FailureMode, Mode
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.verdicts import Outcome, Verdict

KEY = b"lk_live_good"
ACME = Consumer("key:1", Tier.PREMIUM, name="acme", credential_id="1")
ANSWER = Response(200, Headers([]), b"ok")
PEER = "203.0.113.9"


class Keys:
    """Knows one key, and refuses the others as told."""

    def __init__(self, rejection: Rejection = Rejection.UNKNOWN) -> None:
        self.rejection = rejection
        self.asked: list[bytes] = []

    def consumer_for(self, presented: bytes, _now_ns: int) -> Consumer | Rejection:
        self.asked.append(presented)
        return ACME if presented == KEY else self.rejection


class Broken:
    """A key table that fails."""

    def consumer_for(self, _presented: bytes, _now_ns: int) -> Consumer | Rejection:
        raise StoreError("broken")


def exchange_with(
    *pairs: tuple[str, bytes], peer: str = PEER, asserted: Consumer | None = None
) -> Exchange:
    head = RequestHead("GET", "http", b"a.test", b"/", b"", Headers.of(pairs))
    return Exchange(head, peer, 1_800_000_000_000_000_000, b"id-1", asserted=asserted)


async def handler(_exchange: Exchange) -> Response:
    return ANSWER


def verdict_of(exchange: Exchange) -> Verdict:
    [left] = exchange.verdicts
    return left.verdict()


STAGE = IdentifyStage(IdentitySettings(), Keys())


async def test_no_credential_is_anonymous_by_address() -> None:
    """Without a credential the consumer is the client's address, tier FREE."""
    exchange = exchange_with()
    assert await STAGE(exchange, handler) is ANSWER
    assert exchange.client == PEER
    assert exchange.consumer == anonymous(PEER)
    assert verdict_of(exchange).outcome is Outcome.PASSED
    assert verdict_of(exchange).reason.startswith("no credential")


async def test_an_ipv6_client_is_its_network() -> None:
    """Everybody in one /64 is one consumer; the client address stays whole."""
    exchange = exchange_with(peer="2001:db8::1:2:3:4")
    await STAGE(exchange, handler)
    assert exchange.client == "2001:db8::1:2:3:4"
    assert exchange.consumer == anonymous("2001:db8::/64")


async def test_the_anonymous_consumer_is_remembered() -> None:
    """The same address gives the same object, not a new one a request."""
    first, second = exchange_with(), exchange_with()
    await STAGE(first, handler)
    await STAGE(second, handler)
    assert first.consumer is second.consumer


@pytest.mark.parametrize(
    "pair",
    [
        ("X-API-Key", KEY),
        ("Authorization", b"Bearer " + KEY),
        ("Authorization", b"bearer " + KEY),
        ("Authorization", b"BEARER   " + KEY),
    ],
)
async def test_a_known_key_gives_its_consumer(pair: tuple[str, bytes]) -> None:
    """In the key field or as a bearer token (RFC 6750 section 2.1), the scheme in any case."""
    exchange = exchange_with(pair)
    assert await STAGE(exchange, handler) is ANSWER
    assert exchange.consumer is ACME
    assert exchange.client == PEER
    assert verdict_of(exchange) == Verdict("identify", Outcome.PASSED, "the API key is known")


async def test_the_key_field_can_be_another() -> None:
    """The field's name is a setting; the default one then means nothing."""
    stage = IdentifyStage(IdentitySettings(api_key_header=b"X-Token"), Keys())
    exchange = exchange_with(("X-Token", KEY))
    await stage(exchange, handler)
    assert exchange.consumer is ACME
    exchange = exchange_with(("X-API-Key", KEY))
    await stage(exchange, handler)
    assert exchange.consumer == anonymous(PEER)


async def test_the_key_field_counts_before_a_bearer_token() -> None:
    """Where both are sent, the key field decides."""
    keys = Keys()
    exchange = exchange_with(("Authorization", b"Bearer lk_other"), ("X-API-Key", KEY))
    await IdentifyStage(IdentitySettings(), keys)(exchange, handler)
    assert exchange.consumer is ACME
    assert keys.asked == [KEY]


@pytest.mark.parametrize(
    "value",
    [b"Basic dXNlcjpwYXNz", b"Bearer eyJhbGciOi", b"Bearer", b"", b"Bearerlk_live", b"lk_live"],
)
async def test_a_foreign_authorization_stays_anonymous(value: bytes) -> None:
    """What is no API key of ours is the application's matter, and the verdict says so."""
    keys = Keys()
    exchange = exchange_with(("Authorization", value))
    assert await IdentifyStage(IdentitySettings(), keys)(exchange, handler) is ANSWER
    assert exchange.consumer == anonymous(PEER)
    assert "no credential of ours" in verdict_of(exchange).reason
    assert keys.asked == []


@pytest.mark.parametrize("rejection", list(Rejection))
async def test_a_refused_key_is_401(rejection: Rejection) -> None:
    """401 with a challenge (RFC 9110 section 15.5.2); the verdict has the reason."""
    exchange = exchange_with(("X-API-Key", b"lk_bad"))
    response = await IdentifyStage(IdentitySettings(), Keys(rejection))(exchange, handler)
    assert response.status == 401
    assert response.headers.get(b"www-authenticate") == (
        b'Bearer realm="lukhas", error="invalid_token"'
    )
    assert response.headers.get(b"content-type") == b"application/problem+json"
    assert response.headers.get(b"cache-control") == b"no-store"
    assert verdict_of(exchange) == Verdict("identify", Outcome.REFUSED, rejection.value)
    assert exchange.consumer == anonymous(PEER)


async def test_a_401_does_not_tell_why() -> None:
    """Whether the key id exists cannot be seen: all refusals are the same bytes."""
    answers = set()
    for rejection in Rejection:
        exchange = exchange_with(("X-API-Key", b"lk_bad"))
        response = await IdentifyStage(IdentitySettings(), Keys(rejection))(exchange, handler)
        assert isinstance(response.body, bytes)
        answers.add((response.status, tuple(response.headers), response.body))
    [(_, _, body)] = answers
    assert json.loads(body)["type"] == "urn:lukhas:problem:api-key-not-accepted"
    assert json.loads(body)["instance"] == "urn:lukhas:request:id-1"
    assert b"lk_bad" not in body


async def test_an_unknown_key_may_be_anonymous() -> None:
    """With on_unknown=anonymous a refused key is no more than an address."""
    stage = IdentifyStage(IdentitySettings(on_unknown="anonymous"), Keys())
    exchange = exchange_with(("X-API-Key", b"lk_bad"))
    assert await stage(exchange, handler) is ANSWER
    assert exchange.consumer == anonymous(PEER)
    assert verdict_of(exchange).outcome is Outcome.PASSED
    assert verdict_of(exchange).reason == "no such API key: anonymous by address"


async def test_shadow_refuses_in_words_only() -> None:
    """In shadow mode the request goes on as anonymous, and the verdict says refused."""
    stage = IdentifyStage(IdentitySettings(mode=Mode.SHADOW), Keys())
    exchange = exchange_with(("X-API-Key", b"lk_bad"))
    assert await stage(exchange, handler) is ANSWER
    assert exchange.consumer == anonymous(PEER)
    assert verdict_of(exchange) == Verdict(
        "identify", Outcome.REFUSED, "no such API key", mode=Mode.SHADOW
    )
    known = exchange_with(("X-API-Key", KEY))
    await stage(known, handler)
    assert known.consumer is ACME


async def test_off_looks_at_no_key() -> None:
    """When off, a key means nothing, good or bad."""
    keys = Keys()
    exchange = exchange_with(("X-API-Key", KEY))
    assert await IdentifyStage(IdentitySettings(mode=Mode.OFF), keys)(exchange, handler) is ANSWER
    assert exchange.consumer == anonymous(PEER)
    assert verdict_of(exchange).mode is Mode.OFF
    assert verdict_of(exchange).outcome is Outcome.SKIPPED
    assert keys.asked == []


async def test_without_a_key_table_keys_mean_nothing() -> None:
    """Where no keys are kept, a request with one is anonymous, and the verdict says so."""
    exchange = exchange_with(("X-API-Key", KEY))
    assert await IdentifyStage(IdentitySettings(), None)(exchange, handler) is ANSWER
    assert exchange.consumer == anonymous(PEER)
    assert "no API keys are kept" in verdict_of(exchange).reason


async def test_keys_can_be_given_later() -> None:
    """The key table is opened after fork: from then on keys are checked, unless that is off."""
    for mode, consumer in ((Mode.ENFORCE, ACME), (Mode.OFF, anonymous(PEER))):
        stage = IdentifyStage(IdentitySettings(mode=mode), None)
        stage.check_with(Keys())
        exchange = exchange_with(("X-API-Key", KEY))
        await stage(exchange, handler)
        assert exchange.consumer == consumer


@pytest.mark.parametrize(
    "pairs",
    [
        [("X-API-Key", KEY), ("X-API-Key", b"lk_bad")],
        [("X-API-Key", KEY), ("X-API-Key", KEY)],
        [("Authorization", b"Bearer " + KEY), ("Authorization", b"Basic x")],
    ],
)
async def test_several_keys_are_refused(pairs: list[tuple[str, bytes]]) -> None:
    """Two values could be read differently by us and by the application."""
    exchange = exchange_with(*pairs)
    response = await STAGE(exchange, handler)
    assert response.status == 401
    assert "several" in verdict_of(exchange).reason
    assert exchange.consumer == anonymous(PEER)


async def test_other_repeated_fields_do_not_matter() -> None:
    """Only a repeated credential is ambiguous."""
    exchange = exchange_with(("Accept", b"a"), ("Accept", b"b"), ("X-API-Key", KEY))
    await STAGE(exchange, handler)
    assert exchange.consumer is ACME


async def test_an_asserted_consumer_wins() -> None:
    """Who calls the hub knows its consumer; a key in the request is not looked at."""
    asserted = Consumer("user:7", Tier.BASIC)
    exchange = exchange_with(("X-API-Key", b"lk_bad"), asserted=asserted)
    assert await STAGE(exchange, handler) is ANSWER
    assert exchange.consumer is asserted
    assert exchange.client == PEER
    assert "given by the caller" in verdict_of(exchange).reason


async def test_forwarded_addresses_of_strangers_are_ignored() -> None:
    """Without trusted proxies X-Forwarded-For changes nothing."""
    exchange = exchange_with(("X-Forwarded-For", b"198.51.100.1"))
    await STAGE(exchange, handler)
    assert (exchange.client, exchange.consumer) == (PEER, anonymous(PEER))


async def test_the_client_behind_trusted_proxies() -> None:
    """A trusted proxy's X-Forwarded-For is walked from the right, over all its lines."""
    stage = IdentifyStage(IdentitySettings(trusted=TrustedProxies(("10.0.0.0/8",))), Keys())
    cases = [
        ("10.0.0.1", [b"198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", [b"198.51.100.2"], "198.51.100.2"),
        ("10.0.0.1", [b"6.6.6.6, 198.51.100.1", b"10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        (PEER, [b"198.51.100.1"], PEER),
    ]
    for _ in range(2):
        for peer, lines, client in cases:
            pairs = [("X-Forwarded-For", line) for line in lines]
            exchange = exchange_with(*pairs, peer=peer)
            await stage(exchange, handler)
            assert (exchange.client, exchange.consumer) == (client, anonymous(client))


async def test_a_long_list_of_hops_is_read_but_not_remembered() -> None:
    """A long X-Forwarded-For takes no place in the memory of addresses."""
    stage = IdentifyStage(IdentitySettings(trusted=TrustedProxies(("10.0.0.0/8",))), Keys())
    line = b"6.6.6.6, " * 40 + b"198.51.100.1"
    consumers = []
    for _ in range(2):
        exchange = exchange_with(("X-Forwarded-For", line), peer="10.0.0.1")
        await stage(exchange, handler)
        assert exchange.client == "198.51.100.1"
        consumers.append(exchange.consumer)
    assert consumers[0] is not consumers[1]


@pytest.mark.parametrize("on_failure", list(FailureMode))
async def test_a_failed_table_leaves_an_anonymous_consumer(on_failure: FailureMode) -> None:
    """The stage raises for its containment; if that fails open, the consumer is the address."""
    stage = IdentifyStage(IdentitySettings(on_failure=on_failure), Broken())
    exchange = exchange_with(("X-API-Key", KEY))
    with pytest.raises(StoreError):
        await stage(exchange, handler)
    assert stage.on_failure is on_failure
    assert exchange.consumer == anonymous(PEER)
    assert verdict_of(exchange).outcome is Outcome.FAILED


async def test_a_failed_table_fails_closed_by_default() -> None:
    """A request with a key does not lose its limits because the table failed."""
    assert STAGE.on_failure is FailureMode.CLOSED


async def test_no_secret_reaches_verdicts_or_logs(caplog: pytest.LogCaptureFixture) -> None:
    """With real keys: neither the exchange's traces nor the log hold a secret."""
    pepper = Pepper(b"p" * 32)
    minted = mint_key("live")
    record = ApiKeyRecord(minted.key_id, (pepper.digest(minted.body),), Tier.FREE, "acme", "", 1)
    secret = minted.text[-49:-6]

    class One:
        def __init__(self, kept: ApiKeyRecord) -> None:
            self.kept = kept

        def get(self, _key_id: str) -> ApiKeyRecord | None:
            return self.kept

        def generation(self) -> int:
            return 1

    for kept, status in ((record, 200), (replace(record, revoked=True), 401)):
        stage = IdentifyStage(IdentitySettings(), CredentialCache(One(kept), pepper))
        exchange = exchange_with(("X-API-Key", minted.text.encode()))
        with caplog.at_level(logging.DEBUG):
            response = await stage(exchange, handler)
        assert response.status == status
        shown = repr((exchange.verdicts, exchange.consumer, exchange.head, response))
        assert secret not in shown + caplog.text
