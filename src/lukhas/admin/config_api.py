"""Routes and upstreams over the admin API, and the settings in effect."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from lukhas.admin.config_answers import FAILURES, answered, etag
from lukhas.admin.config_desk import ConfigDesk
from lukhas.admin.config_edits import put
from lukhas.admin.config_figures import (
    EffectiveConfig,
    Item,
    Items,
    Value,
    Verdict,
    fault_findings,
    lint_findings,
)
from lukhas.config.changes import Changes, Kind
from lukhas.config.faults import SettingsError
from lukhas.config.key_paths import KeyPath
from lukhas.config.layers import Origins
from lukhas.config.loading import DEFAULT, Loaded, validated, written_out
from lukhas.config.masking import masked
from lukhas.config.named_upstreams import named_upstreams
from lukhas.config.plain_values import effective_values, plain
from lukhas.config.runtime_limits import with_runtime_limits

__all__ = ("ToValidate", "config_router")

Name = Annotated[str, Path(max_length=64)]


class ToValidate(BaseModel):
    """Settings to check: a whole document, or one item among those in effect."""

    model_config = ConfigDict(extra="forbid")

    document: dict[str, Any] | None = Field(None, description="All settings, as in a file.")
    kind: Kind | None = Field(None, description="Or what an item is.")
    item: dict[str, Any] | None = Field(None, description="And the item.")


def config_router(desk: ConfigDesk) -> APIRouter:
    """Reads and checks the settings of a node."""
    router = APIRouter(prefix="/api/v1/config", tags=["settings"])

    @router.get("/effective", responses=FAILURES)
    async def effective(response: Response) -> EffectiveConfig:
        """All settings in effect after the next reload, and where each comes from."""
        return await answered(_effective(desk, response))

    @router.post("/validate")
    async def validate(wanted: ToValidate) -> Verdict:
        """Checks settings as a whole, and tells what is wrong and what is hardly meant so."""
        return await answered(_verdict(desk, wanted))

    @router.get("/{kind}", responses=FAILURES)
    async def items(kind: Kind, response: Response) -> Items:
        """All of a kind that are in effect."""
        return await answered(_items(desk, kind, response))

    @router.get("/{kind}/{name}", responses=FAILURES)
    async def one(kind: Kind, name: Name, response: Response) -> Item:
        """One item."""
        return await answered(_one(desk, kind, name, response))

    return router


async def _now(desk: ConfigDesk, response: Response) -> tuple[Changes, Loaded]:
    changes = desk.changes()
    response.headers["etag"] = etag(changes.version)
    return changes, await desk.loaded(changes)


async def _effective(desk: ConfigDesk, response: Response) -> EffectiveConfig:
    changes, loaded = await _now(desk, response)
    values = effective_values(with_runtime_limits(loaded))
    return EffectiveConfig(
        version=changes.version,
        values=[Value(path=each.path, value=each.value, source=each.source) for each in values],
    )


async def _one(desk: ConfigDesk, kind: Kind, name: str, response: Response) -> Item:
    for item in (await _items(desk, kind, response)).items:
        if item.name == name:
            return item
    raise HTTPException(404, f"there is no {kind[:-1]} {name!r}")


async def _items(desk: ConfigDesk, kind: Kind, response: Response) -> Items:
    changes, loaded = await _now(desk, response)
    found: list[Item] = []
    changed = set(changes.of(kind)) | (set(changes.weights) if kind == "upstreams" else set())
    sections: Mapping[str, BaseModel]
    if kind == "upstreams":
        sections = named_upstreams(loaded.settings)
        names = [each.name for each in loaded.settings.upstreams]
    else:
        sections = {route.name: route for route in loaded.settings.routes}
        names = list(sections)
    for name, section in sections.items():
        place: KeyPath = (kind, names.index(name)) if name in names else ("upstream",)
        item = Item(
            name=name,
            source=loaded.origins.nearest(place) or DEFAULT,
            is_changed=name in changed,
            item=masked(kind, plain(section)),
        )
        found.append(item)
    return Items(version=changes.version, items=found)


def _verdict_on(document: dict[str, Any]) -> Verdict:
    place, origins = "document", Origins()
    document = written_out(document)
    origins.note((), document, lambda _: place)
    try:
        settings = validated(document, origins, place=place, needs_upstream=True)
    except SettingsError as error:
        return Verdict(valid=False, findings=fault_findings(error.faults))
    return Verdict(valid=True, findings=lint_findings(Loaded(settings, {}, origins)))


async def _verdict(desk: ConfigDesk, wanted: ToValidate) -> Verdict:
    has_item = wanted.kind is not None and wanted.item is not None
    if wanted.document is not None and not has_item:
        return _verdict_on(wanted.document)
    if wanted.document is not None or wanted.kind is None or wanted.item is None:
        raise HTTPException(422, "give either document, or kind and item")
    name = wanted.item.get("name")
    if not isinstance(name, str):
        raise HTTPException(422, "the item has no name")
    return await desk.verdict(put(wanted.kind, name, wanted.item))
