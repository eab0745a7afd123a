"""lukhas.pipeline.stages.compress: the negotiation before the cache, the coding inside it."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from lukhas.http.headers import HeaderPairs, Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stages.compress import CompressStage, NegotiateStage
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.compression import CODINGS, CompressionPolicy
from lukhas.policy.modes import Mode
from lukhas.policy.routing.routes import RouteMatch, RouteRule
from tests.unit.pipeline.decoding import decoded
from tests.unit.pipeline.stages.cache_kit import Kit, drained, pieces

ON = CompressionPolicy(mode=Mode.ENFORCE)
SHADOW = CompressionPolicy(mode=Mode.SHADOW)
TEXT = b"a line of text that repeats itself\n" * 200
LARGE = TEXT * 60
TYPED: HeaderPairs = [(b"content-type", b"text/plain")]


class Chain:
    """The two stages around a cache, in front of an origin with one answer."""

    def __init__(self, policy: CompressionPolicy = ON) -> None:
        self.policy = policy
        self.status = 200
        self.fields: HeaderPairs = [*TYPED, (b"cache-control", b"max-age=60"), (b"etag", b'"q"')]
        self.body: bytes | list[bytes] = TEXT
        self.heads: list[RequestHead] = []
        self.kit = Kit()
        self.contained: list[Exception] = []
        self.negotiate = NegotiateStage()
        stages = (self.negotiate, self.kit.stage, CompressStage())
        self.run = Pipeline(stages, lambda _, error: self.contained.append(error)).around(
            self._answer
        )

    async def _answer(self, exchange: Exchange) -> Response:
        self.heads.append(exchange.head)
        # As an origin does that compares entity tags weakly.
        asked = exchange.head.headers.joined(b"if-none-match") or b""
        if b'"q"' in asked:
            kept = [pair for pair in self.fields if pair[0] != b"content-type"]
            return Response(304, Headers(kept))
        body = self.body if isinstance(self.body, bytes) else pieces(*self.body)
        return Response(self.status, Headers(self.fields), body)

    def exchange(
        self,
        *asked: bytes,
        method: str = "GET",
        fields: HeaderPairs | None = None,
        head: RequestHead | None = None,
    ) -> Exchange:
        made = self.kit.exchange(method=method)
        lines = [(b"accept-encoding", line) for line in asked]
        made.head = head or replace(made.head, headers=Headers(lines + (fields or [])))
        made.route = RouteMatch(RouteRule("r", "*", CachePolicy(), compression=self.policy))
        return made

    async def ask(self, *asked: bytes, method: str = "GET", **fields: bytes) -> Response:
        more = [(name.replace("_", "-").encode(), value) for name, value in fields.items()]
        return await self.send(self.exchange(*asked, method=method, fields=more))

    async def send(self, exchange: Exchange) -> Response:
        response = await self.run(exchange)
        assert isinstance(response, Response)
        if isinstance(response.body, AsyncIterator):
            response.body = await drained(response)
        return response


def coding_of(response: Response) -> bytes | None:
    return response.headers.get(b"content-encoding")


def text_of(response: Response) -> bytes:
    assert isinstance(response.body, bytes)
    coding = coding_of(response)
    if coding is None:
        return response.body
    text, ended = decoded(response.body, coding)
    assert ended
    return text


# What is negotiated


@pytest.mark.parametrize("coding", CODINGS)
async def test_each_coding_is_encoded_once(coding: bytes) -> None:
    """Whoever words the same wish in another way gets what is stored."""
    chain = Chain()
    first = await chain.ask(coding)
    second = await chain.ask(b"%b;q=0.9, identity;q=0.1" % coding)
    assert (coding_of(first), coding_of(second)) == (coding, coding)
    assert text_of(first) == text_of(second) == TEXT
    assert second.headers.get(b"etag") == b'W/"q"'
    assert second.headers.get(b"content-length") == b"%d" % len(first.body)  # type: ignore[arg-type]
    assert len(chain.heads) == 1
    assert (await chain.ask(b"identity")).body == TEXT
    assert len(chain.heads) == 2
    assert not chain.contained


async def test_a_client_may_want_no_transformation() -> None:
    """`no-transform` in a request (RFC 9111 section 5.2.1.6)."""
    chain = Chain()
    fields = [(b"accept-encoding", b"br"), (b"cache-control", b"max-age=5, No-Transform")]
    exchange = chain.exchange(fields=fields)
    response = await chain.run(exchange)
    assert chain.heads[0].headers.get_all(b"accept-encoding") == [b"identity"]
    assert b"content-encoding" not in response.headers


async def test_several_lines_are_one_list() -> None:
    """RFC 9110 section 5.3."""
    assert coding_of(await Chain().ask(b"gzip;q=0.5", b"zstd")) == b"zstd"


async def test_other_fields_and_the_key_stay() -> None:
    """Only the coding is replaced; what else the cache goes by is kept."""
    chain = Chain()
    exchange = chain.exchange(b"gzip, br", fields=[(b"x", b"1")])
    exchange.head = replace(exchange.head, keyed=b"k")
    chain.negotiate.enter(exchange)
    assert exchange.head.headers.raw == [(b"x", b"1"), (b"accept-encoding", b"br")]
    assert exchange.head.keyed == b"k"


async def test_the_negotiated_head_is_made_once() -> None:
    """A head that comes again has it already; for other codings on offer it is made anew."""
    chain = Chain()
    head = chain.exchange(b"gzip, br").head
    seen = []
    for codings in ((b"br",), (b"br",), (b"gzip",)):
        chain.policy = replace(ON, codings=codings)
        exchange = chain.exchange(head=head)
        chain.negotiate.enter(exchange)
        seen.append(exchange.head)
    assert seen[0] is seen[1]
    assert [each.headers.get(b"accept-encoding") for each in seen] == [b"br", b"br", b"gzip"]
    assert head.headers.get(b"accept-encoding") == b"gzip, br"


async def test_a_head_that_says_it_already_stays() -> None:
    """Nothing is copied for it."""
    chain = Chain()
    exchange = chain.exchange(b"br")
    head = exchange.head
    chain.negotiate.enter(exchange)
    assert exchange.head is head


async def test_what_is_remembered_is_bounded() -> None:
    """However many wordings there are, each is understood."""
    chain = Chain()
    for number in range(300):
        exchange = chain.exchange(b"gzip, x-%d" % number)
        chain.negotiate.enter(exchange)
        assert exchange.head.headers.get(b"accept-encoding") == b"gzip"
    assert len(chain.negotiate._known) == 256


@pytest.mark.parametrize("policy", [CompressionPolicy(), SHADOW])
async def test_nothing_is_negotiated_unless_it_is_on(policy: CompressionPolicy) -> None:
    """The API sees what the client says, and the client what the API gives."""
    chain = Chain(policy)
    response = await chain.ask(b"gzip, br")
    assert chain.heads[0].headers.get(b"accept-encoding") == b"gzip, br"
    assert (response.body, response.headers.get(b"vary")) == (TEXT, None)
    assert response.headers.get(b"etag") == b'"q"'


async def test_other_methods_and_unknown_routes_pass() -> None:
    """What they mean by their codings is between client and API."""
    chain = Chain()
    put = await chain.ask(b"gzip, br", method="PUT")
    assert (put.body, coding_of(put)) == (TEXT, None)
    exchange = chain.exchange(b"gzip, br")
    exchange.route = None
    assert (await chain.send(exchange)).body == TEXT
    assert [head.headers.get(b"accept-encoding") for head in chain.heads] == [b"gzip, br"] * 2


async def test_a_client_that_says_nothing_gets_it_as_it_is() -> None:
    """And caches on the way learn that others get something else."""
    response = await Chain().ask()
    assert (response.body, response.headers.get(b"vary")) == (TEXT, b"accept-encoding")
    assert response.headers.get(b"etag") == b'"q"'


# What is encoded


async def test_shadow_records_what_would_be_done() -> None:
    """In the verdict."""
    chain = Chain(SHADOW)
    exchange = chain.exchange(b"gzip, br")
    await chain.send(exchange)
    verdict = next(
        each.verdict() for each in exchange.verdicts if each.verdict().stage == "compress"
    )
    assert (verdict.reason, verdict.mode) == ("compressed", Mode.SHADOW)


async def test_what_was_not_negotiated_is_not_encoded() -> None:
    """Where the first stage failed, the wording of the client is no coding."""
    chain = Chain()
    exchange = chain.exchange(b"gzip, br")

    async def answer(_exchange: Exchange) -> Response:
        return Response(200, Headers(TYPED), TEXT)

    response = await CompressStage()(exchange, answer)
    assert (response.body, response.headers.get(b"vary")) == (TEXT, b"accept-encoding")


@pytest.mark.parametrize(
    "field",
    [
        (b"content-encoding", b"gzip"),
        (b"cache-control", b"no-transform"),
    ],
)
async def test_what_must_stay_stays(field: tuple[bytes, bytes]) -> None:
    """Encoded already, or not to be transformed: byte by byte, with all its fields."""
    chain = Chain()
    chain.fields = [*TYPED, (b"etag", b'"q"'), field]
    response = await chain.ask(b"br")
    assert (response.body, response.headers.raw) == (TEXT, chain.fields)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("is_stream", [False, True])
async def test_large_bodies_are_encoded_in_pieces(coding: bytes, *, is_stream: bool) -> None:
    """Without a length; what is stored is the same."""
    chain = Chain()
    chain.body = [LARGE[:100_000], b"", LARGE[100_000:], b""] if is_stream else LARGE
    first = await chain.ask(coding)
    assert (text_of(first), coding_of(first)) == (LARGE, coding)
    assert first.headers.get(b"content-length") is None
    second = await chain.ask(coding)
    assert (text_of(second), len(chain.heads)) == (LARGE, 1)


async def test_events_go_out_one_by_one() -> None:
    """Each can be decoded when it comes; the end is only at the end."""
    chain = Chain()
    chain.fields = [(b"content-type", b"text/event-stream")]
    chain.body = [b"data: 1\n\n", b"data: 2\n\n"]
    response = await chain.run(chain.exchange(b"gzip"))
    assert isinstance(response, Response)
    taps = response.taps or []
    made = b""
    for number, last in ((1, False), (2, False), (3, True)):
        piece = b"data: %d\n\n" % number
        for tap in taps:
            piece = tap.feed(piece, last=last)
        made += piece
        text, ended = decoded(made, b"gzip")
        assert text.endswith(b"data: %d\n\n" % number)
        assert ended is last


async def test_a_body_that_is_cut_has_no_valid_end() -> None:
    """Nobody may take it for whole, and it is not stored."""
    chain = Chain()
    chain.body = [TEXT]
    response = await chain.run(chain.exchange(b"gzip"))
    assert isinstance(response, Response)
    made = TEXT
    for tap in response.taps or []:
        made = tap.feed(made, last=False)
    for tap in response.taps or []:
        tap.abort()
    assert not decoded(made, b"gzip")[1]
    await chain.ask(b"gzip")
    assert len(chain.heads) == 2


@pytest.mark.parametrize(("length", "coding"), [(b"5000", b"br"), (b"10", None), (b"x", b"br")])
async def test_head_has_the_fields_of_get(length: bytes, coding: bytes | None) -> None:
    """By the length that the API states, for it sends no body (RFC 9110 section 9.3.2)."""
    chain = Chain()
    chain.body = b""
    chain.fields += [(b"content-length", length)]
    response = await chain.ask(b"br", method="HEAD")
    assert (response.body, coding_of(response)) == (b"", coding)
    assert response.headers.get(b"content-length") == (length if coding is None else None)


# Conditions


async def test_the_cache_answers_the_tag_that_it_gave() -> None:
    """The weak one of the encoded answer, and the client's own copy stays good."""
    chain = Chain()
    tag = (await chain.ask(b"br")).headers.get(b"etag")
    assert tag == b'W/"q"'
    again = await chain.ask(b"br, gzip", if_none_match=tag)
    assert (again.status, again.headers.get(b"etag"), len(chain.heads)) == (304, tag, 1)


async def test_a_confirmed_answer_stays_encoded_for_whom_it_was() -> None:
    """The 304 of the API neither makes the stored tag strong nor forgets Vary."""
    chain = Chain()
    chain.fields.append((b"vary", b"origin"))
    first = await chain.ask(b"br")
    chain.kit.clock.move(100)
    second = await chain.ask(b"br")
    assert (second.status, second.body) == (200, first.body)
    assert chain.heads[1].headers.get(b"if-none-match") == b'W/"q"'
    assert second.headers.get(b"etag") == b'W/"q"'
    plain = await chain.ask()
    assert (plain.body, coding_of(plain)) == (TEXT, None)
    assert not chain.contained
