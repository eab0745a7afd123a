"""What a route allows the cache to do."""

from dataclasses import dataclass

from lukhas.errors import ConfigError
from lukhas.policy.modes import Mode
from lukhas.units import MIB

__all__ = ("DEFAULT_CREDENTIAL_HEADERS", "CachePolicy")

DEFAULT_CREDENTIAL_HEADERS = frozenset((b"authorization", b"x-api-key"))
"""Request fields that tell who calls; Cookie always counts as one more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy:
    """How responses of a route may be stored and reused. Only GET and HEAD are ever cached.

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
        max_body_bytes: larger bodies pass, but are not stored.
        credential_headers: request fields, lower case, that tell who calls. A request with one of
            them is answered from shared entries, and its response shared, only where the response
            says so (RFC 9111 section 3.5).
        store_request_errors: whether 400, 413, 414 and 431 may be stored, where they are explicitly
            fresh. Off by default: such an answer is about one malformed request, and storing it
            lets that request take the resource away from everybody else.

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
    credential_headers: frozenset[bytes] = DEFAULT_CREDENTIAL_HEADERS
    store_request_errors: bool = False

    def __post_init__(self) -> None:
        bounds = (
            ("default_ttl_s", self.default_ttl_s or 0),
            ("max_ttl_s", self.max_ttl_s),
            ("max_heuristic_ttl_s", self.max_heuristic_ttl_s),
            ("max_error_ttl_s", self.max_error_ttl_s),
            ("max_body_bytes", self.max_body_bytes),
        )
        for bound, value in bounds:
            if value < 0:
                raise ConfigError(
                    f"{bound} is {value}",
                    where=f"cache policy {self.name!r}",
                    hint="give 0 or more",
                )
        if not all(name == name.lower() for name in self.credential_headers):
            raise ConfigError(
                "a credential header is not in lower case", where=f"cache policy {self.name!r}"
            )
