"""The cache over the admin API: what its tiers hold, and purges."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from lukhas.admin.app import AdminLifespan
from lukhas.admin.audit import note_change
from lukhas.clock import Clock, SystemClock
from lukhas.errors import ConfigError, LukhasError
from lukhas.hub.cache_purges import CachePurges, chosen_purge
from lukhas.storage.node_listing import MOST_LOOKED_AT, ListedEntry
from lukhas.units import SECOND_NS

__all__ = (
    "CacheAccess",
    "CacheFigures",
    "NodeTier",
    "PurgeAnswer",
    "PurgeOrder",
    "StoredEntries",
    "StoredEntry",
    "cache_router",
)

_audit = logging.getLogger("lukhas.audit")

Text = Annotated[str, Field(min_length=1, max_length=8192)]


class PurgeOrder(BaseModel):
    """What to purge: exactly one of url, tag, prefix and all."""

    model_config = ConfigDict(extra="forbid")

    url: Text | None = Field(None, description="One address, in all its variants.")
    tag: Text | None = Field(None, description="All responses that have this tag.")
    prefix: Text | None = Field(
        None, description="How addresses begin: a URL, or a path such as `/a/` for all hosts."
    )
    all: bool = Field(False, description="Everything.")
    soft: bool = Field(
        False, description="Whether they stay, as stale, and are confirmed before the next use."
    )


class PurgeAnswer(BaseModel):
    """What a purge did."""

    purged: int = Field(description="How many responses of this node it met.")
    cluster: bool = Field(description="Whether other nodes were told.")


class NodeTier(BaseModel):
    """What the workers of the node share."""

    entries: int
    used_bytes: int
    limit_bytes: int


class CacheFigures(BaseModel):
    """The tiers of the cache."""

    node: NodeTier | None = Field(description="Null where workers share nothing.")
    cluster: str | None = Field(description="ok, degraded or failed; null where there is none.")


class StoredEntry(BaseModel):
    """A stored response. Values of its query are not told: they may be secrets."""

    scheme: str
    host: str
    path: str
    has_query: bool
    status: int
    content_type: str
    taken_bytes: int = Field(description="On the disk of the node, about.")
    age_s: float
    fresh_s: float = Field(description="How long it is fresh; negative if it is stale.")
    tags: list[str]


class StoredEntries(BaseModel):
    """The largest entries."""

    entries: list[StoredEntry]
    looked_at_most: int = Field(description="They are the largest of so many, the newest.")


class CacheAccess:
    """Opens the cache of the node for the admin plane, and closes it.

    Args:
        purges: what purges.

    Attributes:
        failure: why it cannot be purged from here; empty if it can.
    """

    def __init__(self, purges: CachePurges) -> None:
        self.purges = purges
        self.failure = "it is not open yet"

    def lifespan(self) -> AdminLifespan:
        """Opens it with the app. What cannot be opened is told to whoever asks for it."""

        @asynccontextmanager
        async def opened(_app: FastAPI) -> AsyncIterator[None]:
            try:
                async with self.purges:
                    self.failure = ""
                    yield
            except LukhasError as error:
                if not self.failure:
                    raise
                self.failure = str(error)
                yield

        return opened


def cache_router(access: CacheAccess, clock: Clock | None = None) -> APIRouter:
    """The figures of the cache, and purges."""
    router = APIRouter(prefix="/api/v1/cache", tags=["cache"])
    clock = clock or SystemClock()

    def usable() -> CachePurges:
        if access.failure:
            raise HTTPException(503, access.failure)
        return access.purges

    @router.get("")
    async def figures() -> CacheFigures:
        """What the tiers hold that workers share."""
        purges = usable()
        try:
            stats = purges.node_stats()
        except LukhasError as error:
            raise HTTPException(503, str(error)) from None
        node = stats and NodeTier(
            entries=stats.entries, used_bytes=stats.used_bytes, limit_bytes=stats.limit_bytes
        )
        return CacheFigures(node=node, cluster=purges.cluster_state())

    @router.get("/entries")
    async def entries(most: Annotated[int, Query(ge=1, le=200)] = 20) -> StoredEntries:
        """The largest responses that workers of the node share, the largest first."""
        now_ns = clock.now_ns()
        try:
            found = usable().largest(most)
        except LukhasError as error:
            raise HTTPException(503, str(error)) from None
        return StoredEntries(
            entries=[_stored_entry(each, now_ns) for each in found], looked_at_most=MOST_LOOKED_AT
        )

    _add_purge(router, usable)
    return router


def _add_purge(router: APIRouter, usable: Callable[[], CachePurges]) -> None:
    @router.post("/purge")
    async def purge(request: Request, order: PurgeOrder) -> PurgeAnswer:
        """Takes responses out of the cache of all workers, and tells the other nodes."""
        wanted = order.model_dump(exclude_defaults=True)
        note_change(request.scope, detail=", ".join(f"{key}={wanted[key]}" for key in wanted))
        purges = usable()
        try:
            chosen = chosen_purge(
                url=order.url,
                tag=order.tag,
                prefix=order.prefix,
                everything=order.all,
                soft=order.soft,
            )
        except ConfigError as error:
            raise HTTPException(422, str(error)) from None
        try:
            report = await purges.purge(chosen)
        except LukhasError as error:
            _audit.warning("a purge failed: %r: %s", order.model_dump(exclude_none=True), error)
            raise HTTPException(503, str(error)) from None
        _audit.info("cache purged: %r: %d met", order.model_dump(exclude_none=True), report.met)
        return PurgeAnswer(purged=report.met, cluster=report.cluster)


def _stored_entry(listed: ListedEntry, now_ns: int) -> StoredEntry:
    response = listed.response
    scheme, host, path, query = response.key[:4]
    content_type = response.headers.get(b"content-type") or b""
    freshness = response.terms.freshness
    return StoredEntry(
        scheme=scheme,
        host=host.decode("latin-1"),
        path=path.decode("latin-1"),
        has_query=bool(query),
        status=response.status,
        content_type=content_type.decode("latin-1"),
        taken_bytes=listed.taken_bytes,
        age_s=freshness.age_ns(now_ns) / SECOND_NS,
        fresh_s=(freshness.fresh_until_ns - now_ns) / SECOND_NS,
        tags=sorted(response.tags),
    )
