"""Settings about whose tokens are believed."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from lukhas.config.fields import CONFIG_FAULT, Section, StateDir
from lukhas.policy.rate_limiting.tiers import Tier

__all__ = ("TokenIssuerSettings", "TokenIssuers")

_MIN_SECRET_BYTES = 32
_VISIBLE = re.compile(r"[!-~]{1,256}")
_CLAIM = re.compile("[^\x00-\x1f\x7f\ud800-\udfff]{1,128}")

Algorithm = Literal[
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "EdDSA",
    "Ed25519",
    "HS256",
]


def _fault(what: str, hint: str) -> PydanticCustomError:
    # A message template may not hold braces, so both texts travel in the context.
    return PydanticCustomError(CONFIG_FAULT, "{what}: {hint}", {"what": what, "hint": hint})


def _visible(text: str) -> str:
    if not _VISIBLE.fullmatch(text):
        hint = "write 1 to 256 visible ASCII characters, just as the tokens have it"
        raise _fault("is not a name that tokens could hold", hint)
    return text


def _claim(text: str) -> str:
    if text and not _CLAIM.fullmatch(text):
        hint = "use up to 128 characters, no control characters"
        raise _fault("is not the name of a claim", hint)
    return text


def _claim_given(text: str) -> str:
    if not text:
        raise _fault("is empty", "name a claim, such as sub")
    return _claim(text)


TokenParty = Annotated[str, AfterValidator(_visible)]
ClaimName = Annotated[str, AfterValidator(_claim)]
NeededClaimName = Annotated[str, AfterValidator(_claim_given)]


class TokenIssuerSettings(Section):
    """An issuer of tokens (JWT), whose holders are consumers of their own."""

    issuer: TokenParty = Field(
        description="The `iss` of its tokens, exactly, such as `https://login.example.com/`."
    )
    audience: TokenParty = Field(description="What the `aud` of its tokens must hold: this API.")
    algorithms: tuple[Algorithm, ...] = Field(
        ("RS256", "ES256", "EdDSA"),
        min_length=1,
        description="What tokens may be signed with; `HS256` needs `secret`, all others need "
        "`keys_file`.",
    )
    keys_file: StateDir | None = Field(
        None,
        description="A file with the public keys of the issuer: a JWKS, or one key as PEM. It is "
        "read again when it changes.",
    )
    secret: SecretStr | None = Field(
        None, description="The secret of `HS256`, 32 bytes or more. Never printed."
    )
    leeway_s: float = Field(
        30.0, ge=0, le=60, description="How far the clocks of issuer and gateway may be apart."
    )
    consumer_claim: NeededClaimName = Field(
        "sub", description="The claim that says who calls; tokens must have it."
    )
    tier_claim: ClaimName = Field(
        "", description="The claim that is looked up in `tiers`; empty if there is none."
    )
    tiers: dict[str, Tier] = Field(
        {}, description='The tier by the value of `tier_claim`, such as `{ gold = "premium" }`.'
    )
    default_tier: Tier = Field(Tier.FREE, description="The tier of all other tokens.")
    tenant_claim: ClaimName = Field(
        "",
        description="The claim that says whose consumer it is, which tokens then must have; empty "
        "if there is none.",
    )
    keep_claims: tuple[NeededClaimName, ...] = Field(
        (), max_length=16, description="Claims to keep with the consumer."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> "TokenIssuerSettings":
        is_keyed = "HS256" in self.algorithms
        secret = self.secret.get_secret_value() if self.secret is not None else ""
        if is_keyed and len(secret.encode("utf-8", "replace")) < _MIN_SECRET_BYTES:
            hint = "set secret to 32 bytes or more that only you and the issuer know"
            raise _fault("HS256 needs a secret of at least 32 bytes", hint)
        if self.secret is not None and not is_keyed:
            raise _fault("secret is set, but HS256 is not among the algorithms", "remove one")
        needs_keys = any(algorithm != "HS256" for algorithm in self.algorithms)
        if needs_keys and self.keys_file is None:
            raise _fault("keys_file is missing", "name a JWKS or PEM file with the public keys")
        if self.keys_file is not None and not needs_keys:
            raise _fault("keys_file is set, but HS256 is the only algorithm", "remove keys_file")
        if self.tiers and not self.tier_claim:
            raise _fault("tiers is set without tier_claim", "name the claim that is looked up")
        return self


def _distinct(issuers: tuple[TokenIssuerSettings, ...]) -> tuple[TokenIssuerSettings, ...]:
    names = [each.issuer for each in issuers]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise _fault(f"the issuer {twice!r} stands twice", "describe each issuer once")
    return issuers


TokenIssuers = Annotated[tuple[TokenIssuerSettings, ...], AfterValidator(_distinct)]
