"""Routes and upstreams changed over the admin API."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path
from pydantic import BaseModel, ConfigDict, Field

from lukhas.admin.bodies import json_table
from lukhas.admin.config_answers import FAILURES, Ordered, answered
from lukhas.admin.config_desk import ConfigDesk
from lukhas.admin.config_edits import added, deleted, put, reset, server_of, weighed
from lukhas.admin.config_figures import ChangeAnswer
from lukhas.config.changes import Kind
from lukhas.config.named_upstreams import named_upstreams

__all__ = ("NewWeight", "config_changes_router")

Name = Annotated[str, Path(max_length=64)]
_JSON_ITEM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


class NewWeight(BaseModel):
    """The weight of a server."""

    model_config = ConfigDict(extra="forbid")

    weight: int = Field(
        ge=0, le=1_000_000, description="In relation to the others; 0 drains: no new requests."
    )


def config_changes_router(desk: ConfigDesk) -> APIRouter:
    """Changes routes, upstreams and the weights of their servers."""
    router = APIRouter(prefix="/api/v1/config", tags=["settings"])

    @router.post("/{kind}", status_code=201, responses=FAILURES, openapi_extra=_JSON_ITEM)
    async def add(kind: Kind, orders: Ordered) -> ChangeAnswer:
        """Adds an item."""
        item = await json_table(orders.request)
        edit = added(kind, item)
        if orders.dry_run:
            # Nothing is made by asking.
            orders.response.status_code = 200
        return await orders.carried_out(
            desk, edit, target=f"{kind}/{item['name']}"[:200], what="add"
        )

    @router.put("/{kind}/{name}", responses=FAILURES, openapi_extra=_JSON_ITEM)
    async def replace(kind: Kind, name: Name, orders: Ordered) -> ChangeAnswer:
        """Puts an item in place of that with this name, or adds it."""
        edit = put(kind, name, await json_table(orders.request))
        return await orders.carried_out(desk, edit, target=f"{kind}/{name}", what="put")

    @router.delete("/{kind}/{name}", responses=FAILURES)
    async def delete(kind: Kind, name: Name, orders: Ordered) -> ChangeAnswer:
        """Takes an item away, also one of the file."""
        return await orders.carried_out(
            desk, deleted(kind, name), target=f"{kind}/{name}", what="delete"
        )

    @router.post("/{kind}/{name}/reset", responses=FAILURES)
    async def go_back(kind: Kind, name: Name, orders: Ordered) -> ChangeAnswer:
        """Goes back to what the file says about an item."""
        return await orders.carried_out(
            desk, reset(kind, name), target=f"{kind}/{name}", what="reset"
        )

    _add_weights(router, desk)
    return router


def _add_weights(router: APIRouter, desk: ConfigDesk) -> None:
    @router.patch("/upstreams/{name}/targets/{address:path}", responses=FAILURES)
    async def weigh(name: Name, address: str, wanted: NewWeight, orders: Ordered) -> ChangeAnswer:
        """Gives a server another weight; 0 drains it. The rest of the file still counts."""

        async def weighed_server() -> ChangeAnswer:
            loaded = await desk.loaded(desk.changes())
            upstream = named_upstreams(loaded.settings).get(name)
            if upstream is None:
                raise HTTPException(404, f"there is no upstream {name!r}")
            server = server_of(upstream, address)
            return await orders.carried_out(
                desk,
                weighed(name, server, wanted.weight),
                target=f"upstreams/{name}/targets/{server}",
                what=f"weight {wanted.weight} of",
            )

        return await answered(weighed_server())
