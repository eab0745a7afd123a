"""Consumers and keys, as the admin API tells them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Protocol

from fastapi import HTTPException
from pydantic import BaseModel, ConfigDict, Field

from lukhas.errors import ConfigError, LukhasError
from lukhas.policy.access.api_keys import ApiKeyRecord
from lukhas.policy.rate_limiting.tiers import Tier

if TYPE_CHECKING:
    from lukhas.identity.consumer_registry import ConsumerRecord
    from lukhas.identity.key_registry import IssuedKey

__all__ = (
    "ConsumerFigures",
    "ConsumerList",
    "IssuedFigures",
    "KeyFigures",
    "LatestUses",
    "consumer_figures",
    "issued_figures",
    "key_figures",
    "told_as_http",
)


class LatestUses(Protocol):
    """Knows uses of keys that the registry does not know yet; `KeyUses` is one."""

    def latest(self, key_id: str, written_ns: int | None) -> int | None:
        """When a key was used last (Unix time), the registry saying `written_ns`."""
        ...


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KeyFigures(_Figures):
    """An API key, without its secret."""

    id: str
    prefix: str = Field(description="How it begins, such as `lk_live_V5bTpjuR0DOsMD9E`.")
    tier: Tier
    scopes: list[str]
    created_at_ns: int
    expires_at_ns: int | None = Field(description="Null is never.")
    last_used_at_ns: int | None = Field(
        description="The last use that the gateway accepted it for; null if it knows of none."
    )
    state: Literal["active", "revoked", "expired"]


class ConsumerFigures(_Figures):
    """Who calls, and their keys."""

    id: str
    name: str
    tenant: str = Field(description="Empty if there are no tenants.")
    tier: Tier
    created_at_ns: int
    keys: list[KeyFigures] = Field(description="The oldest first.")


class ConsumerList(_Figures):
    """Consumers by name."""

    consumers: list[ConsumerFigures]


class IssuedFigures(KeyFigures):
    """An API key just made: the only time that it is shown."""

    key: str = Field(description="The key itself, for its consumer. It is shown only this once.")


def consumer_figures(
    consumer: "ConsumerRecord", *, uses: LatestUses, now_ns: int
) -> ConsumerFigures:
    """A consumer, as it is told."""
    return ConsumerFigures(
        id=consumer.id,
        name=consumer.name,
        tenant=consumer.tenant,
        tier=consumer.tier,
        created_at_ns=consumer.created_ns,
        keys=[
            key_figures(each.record, each.prefix, uses=uses, now_ns=now_ns)
            for each in consumer.keys
        ],
    )


def key_figures(record: ApiKeyRecord, prefix: str, *, uses: LatestUses, now_ns: int) -> KeyFigures:
    """A key, as it is told."""
    has_expired = record.expires_ns is not None and record.expires_ns <= now_ns
    return KeyFigures(
        id=record.key_id,
        prefix=prefix,
        tier=record.tier,
        scopes=list(record.scopes),
        created_at_ns=record.created_ns,
        expires_at_ns=record.expires_ns,
        last_used_at_ns=uses.latest(record.key_id, record.last_used_ns),
        state="revoked" if record.revoked else "expired" if has_expired else "active",
    )


def issued_figures(issued: "IssuedKey", *, uses: LatestUses, now_ns: int) -> IssuedFigures:
    """A key just made, with its text."""
    prefix = issued.text.rpartition("_")[0]
    shown = key_figures(issued.record, prefix, uses=uses, now_ns=now_ns)
    return IssuedFigures(key=issued.text, **shown.model_dump())


@contextmanager
def told_as_http() -> Iterator[None]:
    """Turns what registries raise into answers.

    Raises:
        HTTPException: 404 for what is not there, 409 for what cannot be done with it, 422 for what
            has a wrong form, 503 for what cannot be kept.
    """
    try:
        yield
    except ConfigError as error:
        raise HTTPException(422, str(error)) from None
    except LukhasError as error:
        # By name: the registries come with the database, which takes long to load.
        status = _STATUSES.get(type(error).__name__, 503)
        raise HTTPException(status, str(error)) from None


_STATUSES = {
    "ConsumerNotFoundError": 404,
    "ConsumerTakenError": 409,
    "KeyNotFoundError": 404,
    "KeyNotUsableError": 409,
}
