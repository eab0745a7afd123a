"""One request and its answer, as the stages see them."""

from typing import TYPE_CHECKING

from lukhas.http.headers import HeaderPairs
from lukhas.http.messages import RequestHead, Response
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.routing.splitting import DEFAULT_UPSTREAM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from lukhas.pipeline.request_trace import RequestTrace, StageStay
    from lukhas.policy.caching.lookup import Reuse
    from lukhas.policy.caching.terms import ReuseTerms
    from lukhas.policy.rate_limiting.decisions import LimitDecision
    from lukhas.policy.routing.routes import RouteMatch
    from lukhas.policy.routing.upstream_race import ChosenUpstream
    from lukhas.policy.verdicts import Reasoned
    from lukhas.storage.entries import StoredResponse

__all__ = ("Exchange",)


class Exchange:
    """The record of one request on its way through the pipeline. Made once, filled by stages.

    Attributes:
        request_id: kept from the client or made; sent back as X-Request-ID.
        head: the request head.
        peer: the address of the other end of the connection.
        now_ns: when the request arrived (Unix time); every decision about it uses this time.
        body: the request body, for the handler; None if there is none.
        asserted: the consumer, where the caller of the pipeline knows it (programmatic use).
        client: the client address behind trusted proxies; the peer until `identify` has run.
        consumer: who calls; set by `identify`.
        route: which route matched and so which policies apply; set by `route`.
        limit: the decision of `limit`, if limits applied.
        upstream: the name of the upstream that was chosen for it; empty where the route names it.
        cache_result: hit, stale, miss, bypass or empty; set by `cache`.
        added: fields to add to whatever response goes out.
        verdicts: what each stage decided, in order; see `Reasoned`.
        shed: whether it was refused because the upstream had too much to do; it then has cost the
            upstream nothing, also where a stale response was served in its place.
        cpu_ns: processor time that the handler spent, where the way in can measure it.
        admitted: whether it has passed the gates already, as one that was like it did.
        response: the innermost response so far; used to contain a failing stage.
        depth: index of the innermost stage entered; used to contain a failing stage.
        ticket: the store's, from before an unshared request went to the handler; else not set.
        parks: whether the handler parks and waits for this very client, so that nobody can call it
            again in the background.
        stored: the stored response that answers it at a glance; else not set.
        reused: the terms of the stored response that it selects, what the rules say of it, and
            when; not set where there is none.
        best_of: the choice among upstreams that do the same; not set where there was none.
        drawn: what was drawn where a split chose by chance; else not set.
        times: when each stage was at work; set where that is measured.
        trace: the trace that it belongs to; set where traces are continued, for those in one.
        protocol: the version of HTTP, as in `HTTP/2.0`; not set for HTTP/1.1.
        relay_interim: sends an interim response (102, 103) to the client; None where the way in
            cannot, or nobody waits.
    """

    __slots__ = (
        "added",
        "admitted",
        "asserted",
        "best_of",
        "body",
        "cache_result",
        "client",
        "consumer",
        "cpu_ns",
        "depth",
        "drawn",
        "head",
        "limit",
        "now_ns",
        "parks",
        "peer",
        "protocol",
        "relay_interim",
        "request_id",
        "response",
        "reused",
        "route",
        "shed",
        "stored",
        "ticket",
        "times",
        "trace",
        "upstream",
        "verdicts",
    )

    def __init__(  # noqa: PLR0917 - one call a request, and keywords cost
        self,
        head: RequestHead,
        peer: str,
        now_ns: int,
        request_id: bytes,
        body: "AsyncIterator[bytes] | None" = None,
        asserted: Consumer | None = None,
    ) -> None:
        self.head = head
        self.peer = peer
        self.client = peer
        self.now_ns = now_ns
        self.request_id = request_id
        self.body = body
        self.asserted = asserted
        self.consumer: Consumer | None = None
        self.route: RouteMatch | None = None
        self.limit: LimitDecision | None = None
        self.upstream = ""
        self.cache_result = ""
        self.added: HeaderPairs = [(b"x-request-id", request_id)]
        self.verdicts: list[Reasoned] = []
        self.shed = False
        self.admitted = False
        self.cpu_ns = 0
        self.response: Response | None = None
        self.depth = 0
        self.ticket: int
        self.stored: StoredResponse
        self.reused: tuple[ReuseTerms, Reuse, int]
        self.drawn: float
        self.best_of: ChosenUpstream
        self.times: list[StageStay]
        self.trace: RequestTrace
        self.protocol: str
        self.parks = False
        self.relay_interim: Callable[[int, HeaderPairs], None] | None = None

    @property
    def upstream_name(self) -> str:
        """The upstream that it goes to: the one chosen for it, else that of its route."""
        if self.upstream:
            return self.upstream
        return DEFAULT_UPSTREAM if self.route is None else self.route.rule.upstream
