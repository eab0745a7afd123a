"""The limits in effect, and changing those of the tiers while everything runs."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, cast

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from lukhas.admin.audit import address_of, changed_nothing, note_change
from lukhas.admin.operators import operator_of
from lukhas.admin.problems import problem_answer
from lukhas.config.runtime_limits import (
    ADMIN_API,
    RuntimeLimits,
    read_runtime_limits,
    write_runtime_limits,
)
from lukhas.config.settings import Settings
from lukhas.errors import ConfigError, LukhasError
from lukhas.hub.policies import limit_policies, limit_rules, tier_limits
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.rate_limiting.tiers import Tier

__all__ = ("Limits", "PolicyLimits", "TierChange", "TierLimits", "TierText", "limits_router")

_audit = logging.getLogger("lukhas.audit")

_T = TypeVar("_T")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TierText(_Model):
    """The limits of a tier."""

    limits: str | None = Field(
        description='Such as "60/minute; 1000/hour"; null is without a limit.'
    )


class TierLimits(_Model):
    """The limits of one tier."""

    tier: Tier
    limits: str | None = Field(description="In effect; null is without a limit.")
    source: Literal["settings", "admin API"] = Field(description="Where they come from.")
    settings: str | None = Field(description="What the settings say.")
    names: list[str] = Field(description="How clients see them, in RateLimit and in refusals.")


class PolicyLimits(_Model):
    """A limit beside those of the tiers."""

    name: str
    limits: list[str]
    mode: Mode
    by: str
    cost: str
    tiers: list[Tier]
    routes: list[str] = Field(description="Empty is all.")
    consumers: list[str] = Field(description="Empty is all.")
    tenants: list[str] = Field(description="Empty is all.")
    replaces_tier: bool


class Limits(_Model):
    """All limits in effect."""

    version: int = Field(description="How often they were changed here.")
    mode: Mode = Field(description="The mode of the limits of the tiers.")
    tiers: list[TierLimits]
    policies: list[PolicyLimits] = Field(description="Those of the settings.")


class TierChange(_Model):
    """What a change of a tier does, or would do."""

    version: int = Field(description="The version of the limits after it.")
    applied: bool = Field(description="False for a dry run, and where nothing is different.")
    before: TierLimits
    after: TierLimits


DryRun = Annotated[bool, Query(description="Only check, and tell what would change.")]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Limits asked for; None is without a limit."""

    text: str | None


def limits_router(settings: Settings) -> APIRouter:
    """The limits of a node.

    Args:
        settings: what was set; changes are kept in its state directory.
    """
    router = APIRouter(prefix="/api/v1/limits", tags=["limits"])
    table = _LimitTable(settings)
    failed: dict[int | str, dict[str, Any]] = {
        422: {"description": "The limits cannot be read."},
        503: {"description": "The state directory cannot be used."},
    }

    @router.get("")
    async def limits() -> Limits:
        """The limits in effect: of the tiers, and all others."""
        return _answered(table.read)

    @router.put("/tiers/{tier}", responses=failed)
    async def change(
        request: Request, tier: Tier, wanted: TierText, *, dry_run: DryRun = False
    ) -> TierChange:
        """Changes the limits of a tier. Workers follow within a second; nothing counted is lost."""
        return _changed(request, tier, _Wanted(wanted.limits), dry_run=dry_run)

    @router.delete("/tiers/{tier}", responses=failed)
    async def reset(request: Request, tier: Tier, *, dry_run: DryRun = False) -> TierChange:
        """Goes back to what the settings say about a tier."""
        return _changed(request, tier, None, dry_run=dry_run)

    def _changed(
        request: Request, tier: Tier, wanted: _Wanted | None, *, dry_run: bool
    ) -> TierChange:
        if dry_run:
            changed_nothing(request.scope)
        return _answered(
            lambda: table.change(tier, wanted, request=request, dry_run=dry_run),
            place=f"tiers.{tier.value}",
        )

    return router


class _LimitTable:
    """The settings and what was changed about them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._settles = limit_rules(settings).settles

    def read(self) -> Limits:
        """All limits in effect."""
        settings = self._settings
        changed = read_runtime_limits(settings.state_dir)
        return Limits(
            version=changed.version,
            mode=settings.tiers.mode,
            tiers=[self._tier(tier, changed) for tier in Tier],
            policies=[_policy(policy) for policy in limit_policies(settings)],
        )

    def change(
        self, tier: Tier, wanted: _Wanted | None, *, request: Request, dry_run: bool
    ) -> TierChange:
        """Changes a tier; back to the settings where nothing is wanted.

        Raises:
            ConfigError: the limits cannot be read, or not be followed by workers that run.
            StateDirError: they cannot be kept.
        """
        old = read_runtime_limits(self._settings.state_dir)
        new = old.without_tier(tier) if wanted is None else old.with_tier(tier, wanted.text)
        before = self._tier(tier, old)
        if new.tiers == old.tiers:
            return TierChange(version=old.version, applied=False, before=before, after=before)
        rules = limit_rules(new.applied(self._settings))
        if rules.settles and not self._settles:
            raise ConfigError(
                "limits on requests in flight cannot be added while workers run",
                hint="set them in the settings, and restart",
            )
        after = self._tier(tier, new)
        if not dry_run:
            write_runtime_limits(self._settings.state_dir, new)
            what = (
                f"{_shown(before.limits)} ({before.source}) -> {_shown(after.limits)}"
                f" ({after.source}), version {new.version}"
            )
            note_change(request.scope, detail=what)
            _audit.info(
                "limits of tier %s changed by %s from %s: %s",
                tier.value,
                operator_of(request.scope).name,
                address_of(request.scope) or "an unknown address",
                what,
            )
        return TierChange(version=new.version, applied=not dry_run, before=before, after=after)

    def _tier(self, tier: Tier, changed: RuntimeLimits) -> TierLimits:
        effective = changed.applied(self._settings)
        return TierLimits(
            tier=tier,
            limits=getattr(effective.tiers, tier.value),
            source=ADMIN_API if tier in changed.tiers else "settings",
            settings=getattr(self._settings.tiers, tier.value),
            names=[limit.name for limit in tier_limits(effective)[tier]],
        )


def _policy(policy: LimitPolicy) -> PolicyLimits:
    return PolicyLimits(
        name=policy.name,
        limits=[str(limit) for limit in policy.limits],
        mode=policy.mode,
        by=str(policy.by),
        cost=str(policy.cost),
        tiers=[tier for tier in Tier if tier in policy.tiers],
        routes=sorted(policy.routes),
        consumers=sorted(policy.consumers),
        tenants=sorted(policy.tenants),
        replaces_tier=policy.replaces_tier,
    )


def _shown(limits: str | None) -> str:
    return "no limit" if limits is None else repr(limits)


def _answered(answer: Callable[[], _T], *, place: str = "") -> _T:
    """The answer, or the problem in its place: FastAPI passes responses on as they are."""
    try:
        return answer()
    except LukhasError as error:
        return cast("_T", _problem(error, place))


def _problem(error: LukhasError, place: str) -> Response:
    if isinstance(error, ConfigError) and not error.where:
        return problem_answer(
            422,
            "invalid-limits",
            "The limits are not valid",
            f"{place}: {error}",
            extensions=(("place", place), ("reason", error.what), ("hint", error.hint)),
        )
    return problem_answer(
        503,
        "limits-unavailable",
        "The changed limits cannot be read or kept",
        str(error),
    )
