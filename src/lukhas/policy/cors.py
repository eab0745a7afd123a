"""Cross-origin resource sharing: which pages of other origins may read answers (WHATWG Fetch).

CORS protects nothing on the server: it lets browsers relax what they forbid. So what is not
allowed here is simply not relaxed.
"""

from dataclasses import dataclass

from lukhas.errors import ConfigError
from lukhas.http.headers import HeaderPairs
from lukhas.policy.modes import Mode

__all__ = ("CORS_FIELDS", "CorsPolicy", "actual_fields", "parse_origin", "preflight_fields")

CORS_FIELDS = frozenset(
    (
        b"access-control-allow-credentials",
        b"access-control-allow-headers",
        b"access-control-allow-methods",
        b"access-control-allow-origin",
        b"access-control-expose-headers",
        b"access-control-max-age",
    )
)
"""The response fields of CORS. Where a policy is in force, those of the origin are dropped."""

# Always allowed by browsers, whatever is answered (Fetch, CORS-safelisted methods).
_SAFE_METHODS = frozenset((b"GET", b"HEAD", b"POST"))
_VARY = (b"vary", b"origin")


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """Which origins may do what.

    Attributes:
        mode: `OFF` leaves CORS to the origin server; in `SHADOW` it does so too, and reports.
        origins: allowed origins such as `https://app.example.com`; `https://*.example.com` is any
            host below; `*` is every origin.
        methods: methods that are allowed beside GET, HEAD and POST; empty allows what is asked for.
        headers: request fields that are allowed, in lower case; empty allows what is asked for.
        exposed: response fields that pages may read beside the usual ones.
        credentials: whether browsers may send cookies and the like along.
        max_age_s: how long a browser may remember the answer to a preflight.

    Raises:
        ConfigError: an origin is none, or credentials are allowed for every origin.
    """

    mode: Mode = Mode.OFF
    origins: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    credentials: bool = False
    max_age_s: int = 600

    def __post_init__(self) -> None:
        for origin in self.origins:
            parse_origin(origin)
        if self.credentials and "*" in self.origins:
            # Browsers refuse it, and answering with the origin in its place would let every site
            # act as the user.
            what = "credentials are allowed for every origin"
            raise ConfigError(what, hint='name the origins in place of "*"')

    @property
    def is_same_for_all(self) -> bool:
        """Whether every origin gets the same fields."""
        return "*" in self.origins

    def allows(self, origin: bytes) -> bool:
        """Whether a page of this origin may read the answer."""
        if self.is_same_for_all:
            return True
        try:
            text = origin.decode("ascii").lower()
        except UnicodeDecodeError:
            return False
        if text in self.origins:
            return True
        scheme, separator, host = text.partition("://")
        return bool(separator) and any(
            _is_below(scheme, host, pattern) for pattern in self.origins if "*" in pattern
        )


def parse_origin(text: str) -> str:
    """Checks an origin as it is written in settings, and gives its normal form.

    Raises:
        ConfigError: it is no origin.
    """
    scheme, separator, host = text.lower().partition("://")
    plain = host.removeprefix("*.")
    is_host = plain and not set(plain) & set("/*?#@ \t") and plain.isascii()
    if text == "*" or (separator and scheme.isalnum() and is_host):
        return text.lower()
    hint = 'write it like "https://app.example.com", "https://*.example.com" or "*"'
    raise ConfigError(f"{text!r} is not an origin", hint=hint)


def _is_below(scheme: str, host: str, pattern: str) -> bool:
    wanted_scheme, _, wanted = pattern.partition("://*")
    # The dot is part of it, so `*.example.com` is never `badexample.com`.
    return scheme == wanted_scheme and host.endswith(wanted) and len(host) > len(wanted)


def actual_fields(policy: CorsPolicy, origin: bytes | None) -> HeaderPairs:
    """The fields of a response to a request that is no preflight.

    Args:
        policy: that of the route.
        origin: the Origin field; None if there is none.
    """
    # Also without Origin: a cache must not give this answer to a page.
    fields = [] if policy.is_same_for_all else [_VARY]
    if origin is None or not policy.allows(origin):
        return fields
    fields.append(_allowed(policy, origin))
    if policy.credentials:
        fields.append((b"access-control-allow-credentials", b"true"))
    if policy.exposed:
        exposed = ", ".join(policy.exposed).encode("ascii")
        fields.append((b"access-control-expose-headers", exposed))
    return fields


def preflight_fields(
    policy: CorsPolicy, origin: bytes, method: bytes, headers: bytes | None
) -> HeaderPairs | None:
    """The fields of the answer to a preflight; None where the request is not allowed.

    Args:
        policy: that of the route that the request itself would take.
        origin: the Origin field.
        method: the Access-Control-Request-Method field.
        headers: the Access-Control-Request-Headers field; None if there is none.
    """
    if not policy.allows(origin):
        return None
    asked = [name.strip().lower() for name in (headers or b"").split(b",") if name.strip()]
    allowed_methods = [name.encode("ascii") for name in policy.methods]
    if allowed_methods and method not in _SAFE_METHODS and method not in allowed_methods:
        return None
    allowed_headers = {name.lower().encode("ascii") for name in policy.headers}
    if allowed_headers and not allowed_headers.issuperset(asked):
        return None
    fields = [_allowed(policy, origin)]
    fields.append((b"access-control-allow-methods", b", ".join(allowed_methods) or method))
    if asked:
        told = b", ".join(sorted(allowed_headers)) if allowed_headers else b", ".join(asked)
        fields.append((b"access-control-allow-headers", told))
    if policy.credentials:
        fields.append((b"access-control-allow-credentials", b"true"))
    fields.append((b"access-control-max-age", b"%d" % policy.max_age_s))
    asks = b"origin, access-control-request-method, access-control-request-headers"
    fields.append((b"vary", asks))
    return fields


def _allowed(policy: CorsPolicy, origin: bytes) -> tuple[bytes, bytes]:
    told = b"*" if policy.is_same_for_all else origin
    return (b"access-control-allow-origin", told)
