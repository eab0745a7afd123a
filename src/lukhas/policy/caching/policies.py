"""What a route allows the cache to do."""

from dataclasses import dataclass, field

from lukhas.errors import ConfigError
from lukhas.policy.caching.post_rules import PostRule
from lukhas.policy.caching.query_rules import QueryRule
from lukhas.policy.modes import Mode
from lukhas.units import MIB

__all__ = ("DEFAULT_CREDENTIAL_HEADERS", "DEFAULT_TARGETS", "CachePolicy")

DEFAULT_CREDENTIAL_HEADERS = frozenset((b"authorization", b"x-api-key"))
"""Request fields that tell who calls; Cookie always counts as one more."""

DEFAULT_TARGETS = (b"lukhas-cache-control", b"cdn-cache-control")
"""Response fields that go before Cache-Control (RFC 9213), the nearest first."""

# The fields that could make a response reusable.
_ABOUT_REUSE = frozenset((b"cache-control", b"expires", b"last-modified", b"etag"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy:
    """How responses of a route may be stored and reused. Only GET and HEAD are cached, unless
    `post` says so.

    Attributes:
        name: for verdicts.
        mode: enforce; shadow (decide and store, but serve nothing); off.
        default_ttl_s: freshness of responses that state none themselves and set no cookie; None
            for none. An explicit promise of the operator, so it beats heuristics.
        max_ttl_s: longest time that an entry stays fresh here, whatever the origin said.
        max_heuristic_ttl_s: longest freshness derived from Last-Modified (RFC 9111 section 4.2.2);
            0 for none.
        max_error_ttl_s: longest time that a 204, 4xx or 5xx answer stays fresh here, so that a
            poisoned or passing error does not last.
        private: every principal (consumer and credentials) has entries of its own; then responses
            to requests with credentials may be stored for that principal.
        max_body_bytes: larger bodies are not stored in memory.
        body_files: whether larger ones may be stored in files, where the store has such.
        credential_headers: request fields, lower case, that tell who calls. A request with one of
            them is answered from shared entries, and its response shared, only where the response
            says so (RFC 9111 section 3.5).
        store_request_errors: whether 400, 413, 414 and 431 may be stored, where they are explicitly
            fresh. Off by default: such an answer is about one malformed request, and storing it
            lets that request take the resource away from everybody else.
        targets: response fields in lower case that go before Cache-Control (RFC 9213).
        stale_while_revalidate_s: how long a response that says nothing about it may be served stale
            while it is fetched again. The operator's word, where RFC 5861 asks for the origin's.
        stale_if_error_s: the same where the origin fails.
        stale_if_unreachable_s: how long a stale response may serve where the origin cannot be
            reached, unless the response forbids stale use (RFC 9111 section 4.2.4).
        early_refresh: the eagerness of early refresh, see `refresh`; 0 for none.
        ignore_request_directives: whether clients cannot make the cache ask the origin: their
            Cache-Control and Pragma do not count, but for only-if-cached.
        store_cookies: whether Set-Cookie is stored and replayed to everybody, as the RFC has it.
        cookies_identify: whether a request with cookies is taken to be about one principal.
        query: which query parameters tell one resource from another; None for all as they are.
        post: which POST requests are answered from the cache.
        post_for_get: whether the answer to a POST that names its own URL in Content-Location is
            stored for later GETs (RFC 9110 section 9.3.3).
        leak_guard: whether it is watched that shared responses do not depend on who asks.
        about_reuse: names of the response fields that could make a response reusable.

    Raises:
        ConfigError: a bound is negative.
    """

    name: str = "cache"
    mode: Mode = Mode.ENFORCE
    default_ttl_s: int | None = None
    max_ttl_s: int = 7 * 86_400
    max_heuristic_ttl_s: int = 86_400
    max_error_ttl_s: int = 10
    private: bool = False
    max_body_bytes: int = MIB
    body_files: bool = True
    credential_headers: frozenset[bytes] = DEFAULT_CREDENTIAL_HEADERS
    store_request_errors: bool = False
    targets: tuple[bytes, ...] = DEFAULT_TARGETS
    stale_while_revalidate_s: int = 0
    stale_if_error_s: int = 0
    stale_if_unreachable_s: int = 60
    early_refresh: float = 1.0
    ignore_request_directives: bool = False
    store_cookies: bool = False
    cookies_identify: bool = True
    query: QueryRule | None = None
    post: PostRule = PostRule.NEVER
    post_for_get: bool = False
    leak_guard: bool = True
    about_reuse: frozenset[bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "about_reuse", _ABOUT_REUSE | frozenset(self.targets))
        bounds = (
            ("default_ttl_s", self.default_ttl_s or 0),
            ("max_ttl_s", self.max_ttl_s),
            ("max_heuristic_ttl_s", self.max_heuristic_ttl_s),
            ("max_error_ttl_s", self.max_error_ttl_s),
            ("max_body_bytes", self.max_body_bytes),
            ("stale_while_revalidate_s", self.stale_while_revalidate_s),
            ("stale_if_error_s", self.stale_if_error_s),
            ("stale_if_unreachable_s", self.stale_if_unreachable_s),
            ("early_refresh", self.early_refresh),
        )
        for bound, value in bounds:
            if value < 0:
                raise ConfigError(
                    f"{bound} is {value}",
                    where=f"cache policy {self.name!r}",
                    hint="give 0 or more",
                )
        if not all(name == name.lower() for name in (*self.credential_headers, *self.targets)):
            raise ConfigError(
                "a field name is not in lower case", where=f"cache policy {self.name!r}"
            )
