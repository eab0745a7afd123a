"""Settings of the cache."""

from dataclasses import fields, replace
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from lukhas.config.fields import FieldName, Section, SizeBytes, checked_secret_store_url
from lukhas.config.fields import Seconds as Duration
from lukhas.policy.caching.policies import DEFAULT_TARGETS
from lukhas.policy.modes import Mode
from lukhas.policy.strategies import STRATEGIES, Strategy, StrategyValues
from lukhas.units import MIB

__all__ = ("YEAR_S", "CacheSettings", "PostKind", "QueryNames", "effective_values")

YEAR_S = 366 * 86_400
Seconds = Annotated[int, Field(ge=0, le=YEAR_S)]
PostKind = Literal["never", "graphql", "body"]
Profile = Literal["safe", "strict-rfc"]
RedisUrl = Annotated[SecretStr, AfterValidator(checked_secret_store_url)]
QueryNames = tuple[Annotated[str, Field(min_length=1, max_length=200)], ...]


class CacheSettings(Section):
    """The HTTP cache. Where `strategy` gives another value, that is the default."""

    mode: Mode = Field(
        Mode.ENFORCE, description="`enforce`, `shadow` (count and report only) or `off`."
    )
    profile: Profile = Field(
        "safe",
        description="`safe`, or `strict-rfc`: as RFC 9111 has it and no safer, so that cookies are "
        "stored, only `Authorization` counts as a credential, and errors are stored like anything "
        "else.",
    )
    default_ttl_s: Seconds | None = Field(
        None,
        description="How long to keep a response that does not say so itself and sets no cookie; "
        "null keeps none of these.",
    )
    max_ttl_s: Seconds = Field(7 * 86_400, description="How long to keep any response at most.")
    stale_while_revalidate_s: Seconds = Field(
        0,
        description="How long a response that says nothing about it may be served stale while it "
        "is fetched again.",
    )
    stale_if_error_s: Seconds = Field(
        0,
        description="How long a response that says nothing about it may be served stale while the "
        "upstream answers 500, 502, 503 or 504, or fails.",
    )
    stale_if_unreachable_s: Seconds = Field(
        60,
        description="How long a stale response may be served while the upstream cannot be reached, "
        "unless the response forbids that.",
    )
    early_refresh: float = Field(
        1.0,
        ge=0,
        le=10,
        description="How eagerly a response is fetched again shortly before its end; 0 is never.",
    )
    collapse_wait_s: float = Field(
        5.0,
        ge=0,
        le=60,
        description="How long a request waits for an equal one at most; up to "
        "twice as long where that one waits for another node.",
    )
    size_bytes: SizeBytes = Field(64 * MIB, description="How much memory the entries may take.")
    disk_bytes: SizeBytes | None = Field(
        None,
        description="How much disk the entries in the state directory may take, which all workers "
        "share and which outlive a restart; 0: none there; null: 256 MiB with `lukhas serve`, none "
        "elsewhere.",
    )
    body_files_bytes: SizeBytes | None = Field(
        None,
        description="How much more disk bodies above `max_body_bytes` may take, in files beside "
        "the entries; a single one may take a quarter of it. 0: they are not stored; null: as much "
        "as `disk_bytes`. Without entries in the state directory there are none.",
    )
    redis: RedisUrl | None = Field(
        None,
        description="A `redis://`, `rediss://`, `unix://` or `redis+cluster://` URL of a store "
        "that nodes share, for entries and for purges. Never printed.",
    )
    namespace: str = Field(
        "",
        max_length=200,
        description="Tells the entries of this API from those of others that use the same "
        "`cache.redis`, or the same state directory without an upstream.",
    )
    redis_deadline_s: Duration = Field(
        0.025, description="How long the store of the nodes may take to answer."
    )
    max_body_bytes: SizeBytes = Field(
        MIB, description="How large a body may be that is stored in memory; see `body_files_bytes`."
    )
    private: bool = Field(
        False, description="Keeps entries for each consumer apart, instead of shared ones only."
    )
    leak_guard: bool = Field(
        True,
        description="Watches whether shared answers depend on who asks, and stops caching a route "
        "where they do.",
    )
    targets: tuple[FieldName, ...] = Field(
        tuple(name.decode() for name in DEFAULT_TARGETS),
        description="Response fields that go before `Cache-Control` (RFC 9213), the nearest first.",
    )
    ignore_client_cache_control: bool = Field(
        False,
        description="Takes no orders from clients: their `Cache-Control` and `Pragma` count only "
        "for `only-if-cached`.",
    )


def effective_values(strategy: Strategy, cache: CacheSettings) -> StrategyValues:
    """The values of a strategy, where the settings do not say otherwise explicitly."""
    explicit = {
        field.name: getattr(cache, field.name)
        for field in fields(StrategyValues)
        if field.name in cache.model_fields_set
    }
    return replace(STRATEGIES[strategy], **explicit)
