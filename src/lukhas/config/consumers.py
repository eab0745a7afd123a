"""Settings about who calls and how much each may do."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from lukhas.config.certificates import CertificateRules
from lukhas.config.fields import (
    Allowance,
    Cidr,
    CostText,
    CountedBy,
    FieldName,
    Name,
    Seconds,
    Section,
    StoreUrl,
    TimeZone,
)
from lukhas.config.tokens import TokenIssuers
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.policies import OnStoreError
from lukhas.policy.rate_limiting.tiers import DEFAULT_TIER_LIMITS, Tier

__all__ = (
    "CounterSettings",
    "ExemptSettings",
    "IdentitySettings",
    "LimitSettings",
    "RateLimitHeaderSettings",
    "TierSettings",
)

_TIER_DEFAULTS = {tier.value: text or None for tier, text in DEFAULT_TIER_LIMITS}


class IdentitySettings(Section):
    """How callers are told apart."""

    mode: Mode = Field(
        Mode.ENFORCE,
        description="`enforce`; `shadow` refuses no key or token, but takes a wrong one as none; "
        "`off` looks for none, so that callers are told apart by address only.",
    )
    api_key_header: FieldName = Field(
        "x-api-key", description="The field that brings an API key, beside `Authorization: Bearer`."
    )
    on_unknown: Literal["reject", "anonymous"] = Field(
        "reject",
        description="What an API key or token that is not accepted gets: 401, or no more than "
        "callers without one.",
    )
    credential_headers: tuple[FieldName, ...] = Field(
        ("authorization", "x-api-key"),
        validate_default=True,
        description="Fields that make a response personal for the cache; `authorization` and "
        "`api_key_header` always do.",
    )
    tokens: TokenIssuers = Field(
        (), description="Whose tokens (JWT) in `Authorization: Bearer` are verified."
    )
    certificates: CertificateRules = Field(
        (), description="Whom client certificates stand for; see `tls.client_certificates`."
    )

    @field_validator("credential_headers")
    @classmethod
    def _with_own_fields(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        # Without them a personal response could be stored for everybody (RFC 9111 section 3.5).
        own = ("authorization", info.data.get("api_key_header"))
        return tuple(dict.fromkeys((*names, *(name for name in own if name))))


class TierSettings(Section):
    """What a consumer of each tier may do; null is without a limit."""

    free: Allowance | None = Field(
        _TIER_DEFAULTS["free"], description="FREE: also everybody without a key, by address."
    )
    basic: Allowance | None = Field(_TIER_DEFAULTS["basic"], description="BASIC.")
    premium: Allowance | None = Field(_TIER_DEFAULTS["premium"], description="PREMIUM.")
    enterprise: Allowance | None = Field(_TIER_DEFAULTS["enterprise"], description="ENTERPRISE.")
    internal: Allowance | None = Field(
        _TIER_DEFAULTS["internal"], description="INTERNAL: your own services."
    )
    mode: Mode = Field(
        Mode.ENFORCE,
        description="`enforce`; `shadow` counts and reports what would be refused; `off`.",
    )
    time_zone: TimeZone = Field("UTC", description="Whose midnight ends calendar periods.")
    on_store_error: OnStoreError = Field(
        OnStoreError.LOCAL,
        description="While the counters do not answer: `local` counts in each worker alone, up to "
        "its share; `allow` counts nothing; `deny` refuses with 503.",
    )


class LimitSettings(Section):
    """A limit on top of those of the tiers."""

    name: Name = Field(description="Shown to clients that it refuses.")
    limits: Allowance = Field(
        description='How much, such as `"5/minute"`, `"50/s; 1000/hour"`, `"5/minute exact"`, '
        '`"10/second burst 20"`, `"100000/month"` or `"20 concurrent"`.'
    )
    mode: Mode = Field(
        Mode.ENFORCE, description="`enforce`, `shadow` (count and report only) or `off`."
    )
    by: CountedBy = Field(
        "consumer",
        description="Whose requests are counted together: `consumer`, `credential`, `tenant`, "
        "`address`, `header:NAME`, `claim:NAME`, `route`, `upstream`, or several joined by `+`. "
        "What lacks it is counted by consumer.",
    )
    cost: CostText = Field(
        "1",
        description="What a request is charged: a number, `request-bytes`, `request-kib`, "
        "`request-header:NAME`, `response-bytes`, `response-kib`, `response-header:NAME`, "
        "`cpu-ms`; or `messages`: WebSocket messages are counted in place of requests.",
    )
    tiers: tuple[Tier, ...] = Field(
        (), description="The tiers it holds for; empty is all but `internal`."
    )
    routes: tuple[Name, ...] = Field(
        (), description="The names of the routes it holds for; empty is all."
    )
    consumers: tuple[str, ...] = Field(
        (), description="The names of the consumers it holds for; empty is all."
    )
    tenants: tuple[str, ...] = Field(
        (), description="The tenants whose consumers it holds for; empty is all."
    )
    replaces_tier: bool = Field(
        False,
        description="Whether it takes the place of the limits of the tier for those it holds for.",
    )
    time_zone: TimeZone = Field("UTC", description="Whose midnight ends calendar periods.")
    on_store_error: OnStoreError = Field(
        OnStoreError.LOCAL, description="As `tiers.on_store_error`, for this limit."
    )


class RateLimitHeaderSettings(Section):
    """The fields that tell clients what is left."""

    standard: bool = Field(True, description="Sends `RateLimit` and `RateLimit-Policy`.")
    legacy: bool = Field(
        False,
        description="Sends `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`.",
    )


class ExemptSettings(Section):
    """Who is free from every limit."""

    addresses: tuple[Cidr, ...] = Field(
        (), description="Clients, such as monitors, by address or network."
    )
    consumers: tuple[str, ...] = Field((), description="Consumers by name.")


class CounterSettings(Section):
    """Where limits are counted."""

    store: StoreUrl = Field(
        "auto",
        description="`memory`: in the worker; `node`: in the state directory, shared by all "
        "workers and kept over restarts; a `redis://`, `rediss://`, `unix://` or "
        "`redis+cluster://` URL: shared by all nodes; `auto`: `node` in the gateway, "
        "`memory` in the middleware and the hub.",
    )
    deadline_s: Seconds = Field(
        0.025, description="How long a store across the network may take to answer."
    )
    nodes: int = Field(
        1,
        ge=1,
        le=10_000,
        description="How many nodes there are: what each may do alone while the store does not "
        "answer is its share.",
    )
    lease: bool = Field(
        False,
        description="Whether a node reserves slices of limits ahead and answers from them, in "
        "place of asking a store across the network about each request.",
    )
