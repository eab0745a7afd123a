"""Settings about who calls and how much each may do."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from lukhas.config.fields import Allowance, FieldName, Name, Section
from lukhas.config.tokens import TokenIssuers
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.tiers import DEFAULT_TIER_LIMITS, Tier

__all__ = ("IdentitySettings", "LimitSettings", "RateLimitHeaderSettings", "TierSettings")

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


class LimitSettings(Section):
    """A limit on top of those of the tiers."""

    name: Name = Field(description="Shown to clients that it refuses.")
    limits: Allowance = Field(description='How much, such as `"5/minute"` or `"50/s; 1000/hour"`.')
    mode: Mode = Field(
        Mode.ENFORCE, description="`enforce`, `shadow` (count and report only) or `off`."
    )
    by: Literal["consumer", "address"] = Field(
        "consumer", description="Whose requests are counted together."
    )
    tiers: tuple[Tier, ...] = Field(
        (), description="The tiers it holds for; empty is all but `internal`."
    )
    routes: tuple[Name, ...] = Field(
        (), description="The names of the routes it holds for; empty is all."
    )


class RateLimitHeaderSettings(Section):
    """The fields that tell clients what is left."""

    standard: bool = Field(True, description="Sends `RateLimit` and `RateLimit-Policy`.")
    legacy: bool = Field(
        False,
        description="Sends `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`.",
    )
