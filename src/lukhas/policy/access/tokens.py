"""Verified tokens: until when one may pass, and whom it stands for (RFC 7519, RFC 8725)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from lukhas.policy.access.consumers import Consumer
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import SECOND_NS

__all__ = (
    "MAX_TOKEN_BYTES",
    "TokenIssuer",
    "TokenRejection",
    "token_consumer",
    "token_until_ns",
)

MAX_TOKEN_BYTES = 8 * 1024

# The end of the year 9999: what lies beyond is a mistake, such as milliseconds.
_MAX_DATE_S = 253_402_300_799
# No control characters, and nothing that UTF-8 cannot write.
_TEXT = re.compile("[^\x00-\x1f\x7f\ud800-\udfff]{1,255}")
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class TokenRejection(Enum):
    """Why a bearer value is not accepted. For operators; clients are never told which."""

    FOREIGN = "the token is of no issuer that is known here"
    TOO_LONG = "the token is longer than 8 KiB"
    MALFORMED = "the header of the token is not acceptable"
    ALGORITHM = "the algorithm of the token is not allowed"
    KEY = "no single key fits the token"
    SIGNATURE = "the signature of the token is wrong"
    AUDIENCE = "the token is for another audience"
    DATES = "the dates of the token are missing or wrong"
    EXPIRED = "the token has expired"
    NOT_YET = "the token is not valid yet"
    CLAIMS = "a claim that the settings name is missing or has a wrong form"


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """Who makes tokens, and how they are read.

    Attributes:
        issuer: the `iss` of its tokens, exactly.
        audience: what must be among their `aud`.
        algorithms: what they may be signed with.
        leeway_ns: how far the clocks may be apart.
        consumer_claim: the claim that says who calls.
        tier_claim: the claim whose value is looked up in `tiers`; empty if there is none.
        tiers: the tier by the value of that claim.
        default_tier: the tier of all others.
        tenant_claim: the claim that says whose consumer it is; empty if there is none.
        keep_claims: the claims that the consumer keeps.
    """

    issuer: str
    audience: str
    algorithms: frozenset[str] = frozenset(("RS256", "ES256", "EdDSA"))
    leeway_ns: int = 30 * SECOND_NS
    consumer_claim: str = "sub"
    tier_claim: str = ""
    tiers: Mapping[str, Tier] = field(default_factory=dict)
    default_tier: Tier = Tier.FREE
    tenant_claim: str = ""
    keep_claims: tuple[str, ...] = ()


def token_until_ns(
    issuer: TokenIssuer, claims: Mapping[str, Any], now_ns: int
) -> int | TokenRejection:
    """Whether a token with these claims may pass now, and until when that answer holds.

    `exp` must be there; `nbf` and `iat` must not lie in the future where they are.

    Returns:
        The Unix time in ns from which the token is refused, or the reason.
    """
    if not _is_for(issuer.audience, claims.get("aud")):
        return TokenRejection.AUDIENCE
    dates_ns: dict[str, int] = {}
    for name in ("exp", "nbf", "iat"):
        if name in claims:
            date_ns = _date_ns(claims[name])
            if date_ns is None:
                return TokenRejection.DATES
            dates_ns[name] = date_ns
    expires_ns = dates_ns.pop("exp", None)
    if expires_ns is None:
        return TokenRejection.DATES
    until_ns = expires_ns + issuer.leeway_ns
    if now_ns >= until_ns:
        return TokenRejection.EXPIRED
    if any(date_ns > now_ns + issuer.leeway_ns for date_ns in dates_ns.values()):
        return TokenRejection.NOT_YET
    return until_ns


def token_consumer(issuer: TokenIssuer, claims: Mapping[str, Any]) -> Consumer | TokenRejection:
    """The consumer that a verified token stands for.

    A claim that the settings name is text, a whole number or a truth value, of 255 characters at
    most; one of another form is a reason to refuse the token, since limits may be counted by it.
    The claims of the consumer and of the tenant must be there; the others may be missing.
    """
    named = (issuer.consumer_claim, issuer.tenant_claim, issuer.tier_claim, *issuer.keep_claims)
    texts: dict[str, str] = {}
    for name in named:
        value = claims.get(name) if name else None
        if value is not None and value != "":
            text = _text(value)
            if text is None:
                return TokenRejection.CLAIMS
            texts[name] = text
    who = texts.get(issuer.consumer_claim)
    tenant = texts.get(issuer.tenant_claim, "")
    if who is None or (issuer.tenant_claim and _TENANT.fullmatch(tenant) is None):
        return TokenRejection.CLAIMS
    key = f"jwt:{_escaped(issuer.issuer)}:{who}"
    return Consumer(
        key=key,
        tier=issuer.tiers.get(texts.get(issuer.tier_claim, ""), issuer.default_tier),
        name=who,
        tenant=tenant,
        credential_id=key,
        claims=tuple((name, texts[name]) for name in issuer.keep_claims if name in texts),
    )


def _is_for(audience: str, named: object) -> bool:
    # One text or a list of them (RFC 7519 section 4.1.3).
    if isinstance(named, list):
        return all(isinstance(name, str) for name in named) and audience in named
    return isinstance(named, str) and named == audience


def _date_ns(value: object) -> int | None:
    """A NumericDate (RFC 7519 section 2) in ns; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value * SECOND_NS) if 0 <= value <= _MAX_DATE_S else None


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        # Longer numbers are slow to write, and are no ids.
        return str(value) if abs(value) < 1 << 64 else None
    if isinstance(value, str) and _TEXT.fullmatch(value) is not None:
        return value
    return None


def _escaped(issuer: str) -> str:
    # Without a colon of its own, so that its end is known and no two consumers share a key.
    return issuer.replace("%", "%25").replace(":", "%3A")
