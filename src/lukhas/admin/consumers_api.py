"""Consumers over the admin API."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from lukhas.admin.audit import note_change
from lukhas.admin.key_figures import (
    ConsumerFigures,
    ConsumerList,
    IssuedFigures,
    LatestUses,
    consumer_figures,
    issued_figures,
    told_as_http,
)
from lukhas.admin.records import AdminRecords
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import SECOND_NS

if TYPE_CHECKING:
    from lukhas.identity.consumer_registry import ConsumerRecord

__all__ = ("ChangedConsumer", "NewConsumer", "NewKey", "consumers_router")

_LONGEST_S = 36_500 * 86_400


class NewConsumer(BaseModel):
    """A consumer as it is to be."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=128, description="What limits, metrics and logs call it.")
    tier: Tier
    tenant: str = Field("", max_length=64, description="Whose consumer it is; empty for nobody's.")


class ChangedConsumer(BaseModel):
    """What a consumer is to be from now on; all its keys follow at once."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=128)
    tier: Tier


class NewKey(BaseModel):
    """A key as it is to be."""

    model_config = ConfigDict(extra="forbid")

    environment: str = Field("live", max_length=16, description="Part of the key.")
    expires_in_s: float | None = Field(
        None, gt=0, le=_LONGEST_S, description="When it stops working; null is never."
    )
    scopes: list[Annotated[str, Field(max_length=64)]] = Field(
        default_factory=list, max_length=16, description="What it may be used for."
    )


def consumers_router(records: AdminRecords, uses: LatestUses) -> APIRouter:
    """Shows, makes, changes and removes consumers, and makes keys for them."""
    router = APIRouter(prefix="/api/v1/consumers", tags=["consumers"])
    told = partial(_told, records=records, uses=uses)

    @router.get("")
    async def consumers(
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    ) -> ConsumerList:
        """Consumers by name, with their keys."""
        with told_as_http():
            found = await (await records.consumers()).list(limit=limit, offset=offset)
        return ConsumerList(consumers=[told(each) for each in found])

    @router.post("", status_code=201)
    async def make(request: Request, wanted: NewConsumer) -> ConsumerFigures:
        """Makes a consumer without keys."""
        note_change(request.scope, target=wanted.name, detail=f"tier {wanted.tier.value}")
        with told_as_http():
            registry = await records.consumers()
            made = await registry.create(wanted.name, wanted.tier, tenant=wanted.tenant)
        return told(made)

    @router.get("/{consumer_id}")
    async def one(consumer_id: str) -> ConsumerFigures:
        """One consumer."""
        with told_as_http():
            found = await (await records.consumers()).get(consumer_id)
        return told(found)

    _add_changes(router, records, uses)
    _add_keys(router, records, uses)
    return router


def _told(
    consumer: "ConsumerRecord", *, records: AdminRecords, uses: LatestUses
) -> ConsumerFigures:
    return consumer_figures(consumer, uses=uses, now_ns=records.clock.now_ns())


def _add_changes(router: APIRouter, records: AdminRecords, uses: LatestUses) -> None:
    told = partial(_told, records=records, uses=uses)

    @router.put("/{consumer_id}")
    async def change(
        request: Request, consumer_id: str, wanted: ChangedConsumer
    ) -> ConsumerFigures:
        """Gives a consumer another name or tier; all its keys follow at once."""
        with told_as_http():
            registry = await records.consumers()
            before = await registry.get(consumer_id)
            changed = await registry.change(consumer_id, name=wanted.name, tier=wanted.tier)
        what = f"{before.name}, {before.tier.value} -> {changed.name}, {changed.tier.value}"
        note_change(request.scope, detail=what)
        return told(changed)

    @router.delete("/{consumer_id}")
    async def remove(request: Request, consumer_id: str) -> ConsumerFigures:
        """Removes a consumer; all its keys are withdrawn at once, and for ever."""
        with told_as_http():
            gone = await (await records.consumers()).delete(consumer_id)
        note_change(request.scope, detail=f"{gone.name}, {len(gone.keys)} keys withdrawn")
        return told(gone)


def _add_keys(router: APIRouter, records: AdminRecords, uses: LatestUses) -> None:
    @router.post("/{consumer_id}/keys", status_code=201)
    async def make_key(request: Request, consumer_id: str, wanted: NewKey) -> IssuedFigures:
        """Makes a key for a consumer, which works at once. It is shown only this once."""
        now_ns = records.clock.now_ns()
        lasts_s = wanted.expires_in_s
        with told_as_http():
            owner = await (await records.consumers()).get(consumer_id)
            issued = await (await records.keys()).create(
                owner.name,
                owner.tier,
                tenant=owner.tenant,
                environment=wanted.environment,
                scopes=wanted.scopes,
                expires_ns=None if lasts_s is None else now_ns + round(lasts_s * SECOND_NS),
            )
        note_change(request.scope, detail=f"key {issued.record.key_id} for {owner.name}")
        return issued_figures(issued, uses=uses, now_ns=now_ns)
