"""The identify stage: bearer tokens."""

import json
from typing import Literal

import pytest

from lukhas.errors import StoreError
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stages.identify import IdentifyStage, IdentitySettings
from lukhas.policy.access.api_keys import Rejection
from lukhas.policy.access.consumers import Consumer, anonymous
from lukhas.policy.access.tokens import TokenRejection
from lukhas.policy.modes import FailureMode, Mode
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.verdicts import Outcome, Verdict

TOKEN = b"head.claims.signature"
KEY = b"lk_live_good"
ANNA = Consumer("jwt:i:anna", Tier.PREMIUM, name="anna", tenant="acme")
ACME = Consumer("key:1", Tier.BASIC)
ANSWER = Response(200, Headers([]), b"ok")
PEER = "203.0.113.9"
REFUSED = [each for each in TokenRejection if each is not TokenRejection.FOREIGN]


class Verifier:
    """Knows one token, and refuses the others as told."""

    def __init__(self, rejection: TokenRejection = TokenRejection.SIGNATURE) -> None:
        self.rejection = rejection
        self.asked: list[bytes] = []

    def consumer_for(self, presented: bytes, _now_ns: int) -> Consumer | TokenRejection:
        self.asked.append(presented)
        return ANNA if presented == TOKEN else self.rejection


class Broken:
    """Keys that cannot be read."""

    def consumer_for(self, _presented: bytes, _now_ns: int) -> Consumer | TokenRejection:
        raise StoreError("broken")


class Keys:
    """Knows one API key."""

    def consumer_for(self, presented: bytes, _now_ns: int) -> Consumer | Rejection:
        return ACME if presented == KEY else Rejection.UNKNOWN


def exchange_with(*pairs: tuple[str, bytes]) -> Exchange:
    head = RequestHead("GET", "http", b"a.test", b"/", b"", Headers.of(pairs))
    return Exchange(head, PEER, 1_800_000_000_000_000_000, b"id-1")


async def handler(_exchange: Exchange) -> Response:
    return ANSWER


def verdict_of(exchange: Exchange) -> Verdict:
    [left] = exchange.verdicts
    return left.verdict()


def stage(
    verifier: Verifier | Broken | None = None,
    *,
    mode: Mode = Mode.ENFORCE,
    on_unknown: Literal["reject", "anonymous"] = "reject",
) -> IdentifyStage:
    settings = IdentitySettings(mode=mode, on_unknown=on_unknown)
    return IdentifyStage(settings, Keys(), tokens=verifier or Verifier())


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER   "])
async def test_a_verified_token_gives_its_consumer(scheme: bytes) -> None:
    """RFC 6750 section 2.1, the scheme in any case."""
    exchange = exchange_with(("Authorization", scheme + TOKEN))
    assert await stage()(exchange, handler) is ANSWER
    assert exchange.consumer is ANNA
    assert verdict_of(exchange) == Verdict("identify", Outcome.PASSED, "the token is verified")


async def test_keys_are_checked_beside_tokens() -> None:
    """A key of ours is one still, wherever it stands, and is no matter of the verifier."""
    verifier = Verifier()
    for pair in (("X-API-Key", KEY), ("Authorization", b"Bearer " + KEY)):
        exchange = exchange_with(pair)
        await stage(verifier)(exchange, handler)
        assert exchange.consumer is ACME
    assert verifier.asked == []


async def test_the_key_counts_where_both_are_sent() -> None:
    """The field for keys is looked at first, as it is with a key in Authorization."""
    exchange = exchange_with(("X-API-Key", KEY), ("Authorization", b"Bearer " + TOKEN))
    await stage()(exchange, handler)
    assert exchange.consumer is ACME


async def test_a_refusal_says_the_same_whatever_is_wrong() -> None:
    """401 with a challenge (RFC 6750 section 3.1); only the verdict knows why."""
    answers = set()
    for rejection in REFUSED:
        exchange = exchange_with(("Authorization", b"Bearer a.b.c"))
        response = await stage(Verifier(rejection))(exchange, handler)
        assert exchange.consumer == anonymous(PEER)
        assert verdict_of(exchange) == Verdict("identify", Outcome.REFUSED, rejection.value)
        assert response.headers.get(b"www-authenticate") == (
            b'Bearer realm="lukhas", error="invalid_token"'
        )
        assert isinstance(response.body, bytes)
        answers.add((response.status, tuple(response.headers), response.body))
    [(status, _, body)] = answers
    assert status == 401
    assert json.loads(body)["type"] == "urn:lukhas:problem:token-not-accepted"
    assert b"a.b.c" not in body


async def test_refused_keys_are_still_called_keys() -> None:
    """The problem names the kind of credential that was sent."""
    response = await stage()(exchange_with(("X-API-Key", b"lk_bad")), handler)
    assert isinstance(response.body, bytes)
    assert json.loads(response.body)["type"] == "urn:lukhas:problem:api-key-not-accepted"


@pytest.mark.parametrize("value", [b"Basic YTpi", b"Bearer", b"Token " + TOKEN])
async def test_other_schemes_are_foreign(value: bytes) -> None:
    """They are passed on and not looked at."""
    verifier = Verifier()
    exchange = exchange_with(("Authorization", value))
    assert await stage(verifier)(exchange, handler) is ANSWER
    assert exchange.consumer == anonymous(PEER)
    assert verifier.asked == []


async def test_tokens_of_others_are_foreign() -> None:
    """A bearer value that is for somebody else to check is anonymous, also if repeated."""
    value = ("Authorization", b"Bearer opaque")
    for pairs in ([value], [value, value]):
        exchange = exchange_with(*pairs)
        assert await stage(Verifier(TokenRejection.FOREIGN))(exchange, handler) is ANSWER
        assert exchange.consumer == anonymous(PEER)
        assert "no credential of ours" in verdict_of(exchange).reason


async def test_without_issuers_every_token_is_foreign() -> None:
    """Nothing is verified where nobody is trusted."""
    exchange = exchange_with(("Authorization", b"Bearer " + TOKEN))
    assert await IdentifyStage(IdentitySettings(), None)(exchange, handler) is ANSWER
    assert exchange.consumer == anonymous(PEER)


async def test_several_fields_are_refused() -> None:
    """The application might look at another of them than we do."""
    exchange = exchange_with(
        ("Authorization", b"Bearer " + TOKEN), ("Authorization", b"Bearer " + TOKEN)
    )
    response = await stage()(exchange, handler)
    assert response.status == 401
    assert "several" in verdict_of(exchange).reason
    assert exchange.consumer == anonymous(PEER)


async def test_a_refused_token_may_be_anonymous() -> None:
    """With on_unknown=anonymous, and in shadow mode, the request goes on by its address."""
    told = {
        Outcome.PASSED: stage(on_unknown="anonymous"),
        Outcome.REFUSED: stage(mode=Mode.SHADOW),
    }
    for outcome, lenient in told.items():
        exchange = exchange_with(("Authorization", b"Bearer a.b.c"))
        assert await lenient(exchange, handler) is ANSWER
        assert exchange.consumer == anonymous(PEER)
        assert verdict_of(exchange).outcome is outcome
        assert verdict_of(exchange).reason.startswith(TokenRejection.SIGNATURE.value)


async def test_off_looks_at_no_token() -> None:
    """When off, a token means nothing."""
    verifier = Verifier()
    exchange = exchange_with(("Authorization", b"Bearer " + TOKEN))
    await stage(verifier, mode=Mode.OFF)(exchange, handler)
    assert exchange.consumer == anonymous(PEER)
    assert verifier.asked == []


async def test_keys_that_cannot_be_read_fail_closed() -> None:
    """The stage raises for its containment, and that refuses."""
    exchange = exchange_with(("Authorization", b"Bearer " + TOKEN))
    broken = stage(Broken())
    with pytest.raises(StoreError):
        await broken(exchange, handler)
    assert broken.on_failure is FailureMode.CLOSED
    assert verdict_of(exchange).outcome is Outcome.FAILED
