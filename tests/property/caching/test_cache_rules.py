"""The cache against a model: whatever happens, it never serves what RFC 9111 forbids."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Unpack

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lukhas.errors import HandlerError, UpstreamConnectError
from lukhas.http.cache_control import CacheControl, parse_cache_control
from lukhas.http.dates import format_http_date
from lukhas.http.messages import Response
from lukhas.pipeline import driving
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stages.cache_refresh import Job
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.purges import Purge
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.units import SECOND_NS
from tests.unit.pipeline.stages.cache_kit import Asked, Kit, pieces, response

PATHS = ("/a", "/a?q=1")
PRINCIPALS: dict[str, Asked] = {
    "nobody": {},
    "auth-1": {"authorization": "1"},
    "auth-2": {"authorization": "2"},
    "api-key": {"x_api_key": "1"},
    "cookie": {"cookie": "s=1"},
    "consumer": {"consumer": Consumer(key="key:1", tier=Tier.FREE)},
}
DIRECTIVES = (
    "",
    "max-age=10",
    "max-age=60",
    "max-age=0",
    "public, max-age=60",
    "public",
    "s-maxage=30, max-age=60",
    "max-age=30, must-revalidate",
    "max-age=10, stale-if-error=20",
    "max-age=10, stale-while-revalidate=20",
    "public, max-age=10, stale-while-revalidate=60",
    "s-maxage=10, stale-while-revalidate=60",
    "max-age=10, stale-while-revalidate=60, must-revalidate",
    "public, max-age=10, stale-if-error=60",
    "max-age=10, stale-if-error=60, must-revalidate",
    "no-cache",
    "no-store, max-age=60",
    "private, max-age=60",
)
ASKED = ("", "", "", "no-cache", "max-age=5", "min-fresh=20", "max-stale=30", "max-stale")
LANGUAGES = (None, "de", "en")
UNREACHABLE_S = 60
SECONDS = st.sampled_from((0, 0.5, 4, 9, 10, 30, 61))


@dataclass(frozen=True)
class Terms:
    """What the origin said about a response when it made it, or confirmed it with a 304."""

    directives: str
    upstream_age_s: int
    since_ns: int
    sequence: int


@dataclass
class Made:
    """One response of the origin, as the model remembers it.

    It may be served on any of its terms: a 304 to one principal need not change what is stored
    for all. The Age that is told shows which terms were meant.
    """

    path: str
    principal: str
    language: str | None
    varies: bool
    sequence: int
    terms: list[Terms]


class CacheAgainstModel(RuleBasedStateMachine):
    """Requests, changes of the origin, writes, purges and time, in any order."""

    @initialize(private=st.booleans(), room=st.sampled_from((20_000, 1_000_000)))
    def start(self, private: bool, room: int) -> None:
        self.jobs: list[Job] = []
        self.kit = Kit(MemoryEntryStore(room), begin=self.jobs.append, draw=lambda: 0.5)
        self.kit.policy = CachePolicy(private=private)
        self.kit.answer = self.respond
        self.made: dict[int, Made] = {}
        self.by_tag: dict[bytes, list[int]] = {}
        self.sequence = 0
        self.written = dict.fromkeys(PATHS, -1)
        self.softened = dict.fromkeys(PATHS, -1)
        self.directives = "max-age=60"
        self.varies = False
        self.sets_cookie = False
        self.status = 200
        self.upstream_age_s = 0
        self.versions = dict.fromkeys(PATHS, 0)
        self.tagged = True
        self.streams = False
        self.write_meanwhile = False
        self.asking = ("nobody", PATHS[0])
        self.last_contact: int | None = None
        self.language: str | None = None

    def teardown(self) -> None:
        for job in getattr(self, "jobs", []):
            job.close()

    # The origin

    async def respond(self, exchange: Exchange) -> Response:
        head = exchange.head
        principal, path = who(exchange), target_of(exchange)
        self.sequence += 1
        mine = self.sequence
        if head.method == "POST":
            return response(b"written", cache_control="no-store")
        self.last_contact = self.status
        if self.write_meanwhile:
            self.write_meanwhile = False
            self.touch_origin(path)
        if self.status == 0:
            raise UpstreamConnectError("api", "down", sent=False)
        if self.status != 200:
            return response(b"error", self.status)
        language = head.headers.get(b"accept-language")
        tag = f'"{path} {principal} {language!r} {self.versions[path]}"'
        fields: dict[str, object] = {
            "cache_control": self.directives or [],
            "date": self.date(),
            "cache_groups": '"all"',
        }
        if self.varies:
            fields["vary"] = "Accept-Language"
        if self.tagged:
            fields["etag"] = tag
        asked = head.headers.get(b"if-none-match")
        if self.tagged and asked == tag.encode():
            self.confirm(asked)
            return response(b"", 304, **fields)
        self.made[mine] = Made(
            path,
            principal,
            None if language is None else language.decode(),
            self.varies,
            mine,
            [Terms(self.directives, self.upstream_age_s, self.kit.clock.now_ns(), mine)],
        )
        self.by_tag.setdefault(tag.encode(), []).append(mine)
        if self.upstream_age_s:
            fields["age"] = self.upstream_age_s
        if self.sets_cookie:
            fields["set_cookie"] = "s=secret"
        body = b"%d" % mine
        return response(pieces(body[:1], body[1:]) if self.streams else body, 200, **fields)

    def confirm(self, tag: bytes) -> None:
        """A 304: the cache may hold any response with this tag, on any of its terms."""
        for number in self.by_tag.get(tag, ()):
            terms = self.made[number].terms
            for directives in {each.directives for each in terms}:
                # A 304 without Cache-Control leaves the stored one as it is.
                said = self.directives or directives
                terms.append(Terms(said, 0, self.kit.clock.now_ns(), self.sequence))

    def date(self) -> str:
        return format_http_date(self.kit.clock.now_ns() // SECOND_NS).decode()

    def touch_origin(self, path: str) -> None:
        """A successful write, through the cache."""
        self.versions[path] += 1
        assert self.run(path, method="POST").status == 200
        self.sequence += 1
        self.written[path] = self.sequence

    # What happens

    @rule(
        directives=st.sampled_from(DIRECTIVES),
        varies=st.booleans(),
        age_s=st.sampled_from((0, 0, 5)),
        cookie=st.sampled_from((False, False, True)),
    )
    def change_what_the_origin_says(
        self, directives: str, varies: bool, age_s: int, cookie: bool
    ) -> None:
        self.directives = directives
        self.varies = varies
        self.upstream_age_s = age_s
        self.sets_cookie = cookie

    @rule(tagged=st.booleans(), streams=st.booleans(), path=st.sampled_from(PATHS))
    def change_how_the_origin_answers(self, tagged: bool, streams: bool, path: str) -> None:
        self.tagged = tagged
        self.streams = streams
        self.versions[path] += 1

    @rule(status=st.sampled_from((200, 200, 200, 503, 0)))
    def break_or_mend_the_origin(self, status: int) -> None:
        self.status = status

    @rule()
    def run_background(self) -> None:
        self.the_background_goes_on()

    def the_background_goes_on(self) -> None:
        """What was begun behind the back of clients, now or whenever it comes to run."""
        jobs = self.jobs[:]
        self.jobs.clear()
        for job in jobs:
            with pytest.raises(StopIteration):
                job.send(None)

    @rule(path=st.sampled_from(PATHS))
    def write(self, path: str) -> None:
        self.touch_origin(path)

    @rule(path=st.sampled_from(PATHS))
    def purge_softly(self, path: str) -> None:
        """The origin is asked before the next use, or while a stale response serves."""
        plain, _, query = path.partition("?")
        resource = ("http", b"a.example", plain.encode(), query.encode())
        self.kit.store.purge(Purge(resource=resource, soft=True))
        self.softened[path] = self.sequence

    @rule()
    def purge_by_tag(self) -> None:
        self.kit.store.purge(Purge(tag="all"))
        self.sequence += 1
        self.written = dict.fromkeys(PATHS, self.sequence)

    @rule(path=st.sampled_from((b"/", b"/a", b"/b")))
    def purge(self, path: bytes) -> None:
        self.kit.store.purge(Purge(path_prefix=path))
        self.sequence += 1
        for each in PATHS:
            if each.encode().startswith(path):
                self.written[each] = self.sequence

    @rule(
        path=st.sampled_from(PATHS),
        principal=st.sampled_from(sorted(PRINCIPALS)),
        asked=st.sampled_from(ASKED),
        language=st.sampled_from(LANGUAGES),
        method=st.sampled_from(("GET", "GET", "GET", "HEAD")),
    )
    def request(
        self, path: str, principal: str, asked: str, language: str | None, method: str
    ) -> None:
        self.ask(path, principal, asked=asked, language=language, method=method)

    # Most of what can go wrong needs the same request again, so that comes often.

    @rule(
        path=st.sampled_from(PATHS),
        directives=st.sampled_from(tuple(said for said in DIRECTIVES if "stale-" in said)),
        seconds=st.sampled_from((9, 15, 25, 40, 100)),
    )
    def request_what_may_be_stale(self, path: str, directives: str, seconds: float) -> None:
        self.write(path)
        self.directives, self.status = directives, 200
        self.ask(path, "nobody")
        self.kit.clock.move(seconds)
        self.ask(path, "nobody")

    @rule(path=st.sampled_from(PATHS), seconds=SECONDS)
    def request_plainly(self, path: str, seconds: float) -> None:
        self.ask(path, "nobody")
        self.kit.clock.move(seconds)
        self.ask(path, "nobody")

    @rule(seconds=SECONDS, asked=st.sampled_from(ASKED))
    def request_again_later(self, seconds: float, asked: str) -> None:
        self.kit.clock.move(seconds)
        principal, path = self.asking
        self.ask(path, principal, asked=asked, language=self.language)

    @rule(principal=st.sampled_from(sorted(PRINCIPALS)))
    def request_as_another(self, principal: str) -> None:
        self.ask(self.asking[1], principal, language=self.language)

    @rule()
    def request_during_a_write(self) -> None:
        self.write_meanwhile = True
        for _ in range(2):
            self.ask(self.asking[1], "nobody")

    @rule(seconds=SECONDS, status=st.sampled_from((0, 503)))
    def request_while_the_origin_fails(self, seconds: float, status: int) -> None:
        principal, path = self.asking
        self.ask(path, principal)
        self.kit.clock.move(seconds)
        before, self.status = self.status, status
        self.ask(path, principal)
        self.status = before

    def ask(
        self,
        path: str,
        principal: str,
        *,
        asked: str = "",
        language: str | None = None,
        method: str = "GET",
    ) -> None:
        # A request might have to wait for what goes on in the background.
        self.the_background_goes_on()
        self.language = language
        fields = PRINCIPALS[principal].copy()
        fields["method"] = method
        if asked:
            fields["cache_control"] = asked
        if language is not None:
            fields["accept_language"] = language
        self.asking = (principal, path)
        self.last_contact = None
        exchange = self.kit.exchange(path, **fields)
        try:
            answer = self.finish(exchange)
        except HandlerError:
            assert self.status == 0
            return
        served = exchange.cache_result
        assert served in {"hit", "stale", "miss", "revalidated"}
        assert (served == "hit") <= (self.last_contact is None)
        if method == "HEAD":
            assert answer.body == b"" or served == "miss"
            return
        if answer.status == 200 and served != "miss":
            assert isinstance(answer.body, bytes)
            assert b"set-cookie" not in answer.headers
            self.check(exchange, self.made[int(answer.body)], asked=asked, language=language)

    def run(self, path: str, **options: Unpack[Asked]) -> Response:
        return self.finish(self.kit.exchange(path, **options))

    def finish(self, exchange: Exchange) -> Response:
        """Runs a request; nothing in it may wait."""
        answer = driving.start(self.kit.run(exchange))
        assert isinstance(answer, Response)
        if isinstance(answer.body, AsyncIterator):
            out = bytearray()
            try:
                self.drain(answer, answer.body, out).send(None)
            except StopIteration:
                answer.body = bytes(out)
        return answer

    async def drain(self, answer: Response, body: AsyncIterator[bytes], out: bytearray) -> None:
        chunks = [chunk async for chunk in body]
        for number, chunk in enumerate(chunks, start=1):
            for tap in answer.taps or ():
                tap.feed(chunk, last=number == len(chunks))
            out += chunk

    # What must hold for everything that comes from the store

    def check(self, exchange: Exchange, made: Made, *, asked: str, language: str | None) -> None:
        path = self.asking[1]
        assert made.path == path
        assert not made.varies or made.language == language
        if exchange.cache_result == "revalidated":
            assert self.last_contact == 200
        else:
            assert made.sequence > self.written[path], "served what was written over"
        if exchange.cache_result == "hit":
            renewed = max(terms.sequence for terms in made.terms)
            assert renewed > self.softened[path], "served what was purged softly as fresh"
        faults = [self.fault(exchange, made.principal, terms, asked) for terms in made.terms]
        assert None in faults, faults

    def fault(self, exchange: Exchange, maker: str, terms: Terms, asked: str) -> str | None:
        """What forbids to serve it on these terms; None if nothing does."""
        says = parse_cache_control([terms.directives.encode()])
        principal = self.asking[0]
        if says.no_store or not self.may_share(maker, principal, says):
            return "not for this principal"
        if exchange.cache_result == "revalidated":
            return None
        age_s = (self.kit.clock.now_ns() - terms.since_ns) / SECOND_NS + terms.upstream_age_s
        if dict(exchange.added)[b"age"] != b"%d" % age_s:
            return "the age is wrong"
        shared = not self.kit.policy.private or principal == "nobody"
        lifetime_s = says.max_age or 0
        if shared and says.s_maxage is not None:
            lifetime_s = says.s_maxage
        wants = parse_cache_control([asked.encode()])
        if says.no_cache or not young_enough(wants, age_s, lifetime_s):
            return "the origin had to be asked"
        if exchange.cache_result == "hit":
            return None if age_s < lifetime_s else "stale, but called fresh"
        strict = says.must_revalidate or (shared and says.s_maxage is not None)
        if strict or (age_s < lifetime_s and terms.sequence > self.softened[self.asking[1]]):
            return "fresh, or never to be served stale"
        return None if self.may_be_stale(says, wants, max(0, age_s - lifetime_s)) else "stale"

    def may_be_stale(self, says: CacheControl, wants: CacheControl, staleness_s: float) -> bool:
        if self.last_contact is None:
            if (says.stale_while_revalidate or 0) > staleness_s:
                return True
            return wants.max_stale_any or (wants.max_stale or -1) >= staleness_s
        if self.last_contact == 0 and staleness_s <= UNREACHABLE_S:
            return True
        return self.last_contact == 503 and (says.stale_if_error or -1) >= staleness_s

    def may_share(self, maker: str, principal: str, says: CacheControl) -> bool:
        if self.kit.policy.private:
            return maker == principal
        for_cookies = says.public or says.s_maxage is not None
        for_credentials = for_cookies or says.must_revalidate
        needed = {"nobody": True, "cookie": for_cookies}
        both = (maker, principal)
        return not says.private and all(needed.get(who, for_credentials) for who in both)

    @invariant()
    def the_store_is_in_order(self) -> None:
        stats = self.kit.store.stats()
        assert 0 <= stats.used_bytes <= stats.limit_bytes
        assert not self.kit.contained
        assert len(self.kit.stage.flights) <= len(self.jobs)


def target_of(exchange: Exchange) -> str:
    """Path and query."""
    head = exchange.head
    return (head.path + (b"?" + head.query if head.query else b"")).decode()


def who(exchange: Exchange) -> str:
    """The principal of a request."""
    if exchange.consumer is not None:
        return "consumer"
    shown = set(exchange.head.headers.raw)
    names = {
        (b"authorization", b"1"): "auth-1",
        (b"authorization", b"2"): "auth-2",
        (b"x-api-key", b"1"): "api-key",
        (b"cookie", b"s=1"): "cookie",
    }
    return next((name for pair, name in names.items() if pair in shown), "nobody")


def young_enough(wants: CacheControl, age_s: float, lifetime_s: float) -> bool:
    """Whether the client's own bounds are met; max-stale lifts the one on the age."""
    if wants.no_cache:
        return False
    if wants.max_age is not None and age_s > wants.max_age:
        return False
    return wants.min_fresh is None or lifetime_s - age_s >= wants.min_fresh


CacheAgainstModel.TestCase.settings = settings(max_examples=200, stateful_step_count=40)
TestCacheAgainstModel = CacheAgainstModel.TestCase
