"""The hub: every part built from one settings object, and their health."""

import asyncio
import logging
from collections import Counter
from pathlib import Path

from lukhas.clock import Clock, SystemClock
from lukhas.config.runtime_limits import RuntimeLimitsFile
from lukhas.config.settings import Settings
from lukhas.errors import ConfigError, LukhasError
from lukhas.hub.best_of import best_of_stages
from lukhas.hub.cache import HubCache
from lukhas.hub.counters import HubCounters
from lukhas.hub.explaining import explainer
from lukhas.hub.openapi import HubOpenApi
from lukhas.hub.overload import admit_stages
from lukhas.hub.policies import (
    identity_settings,
    limit_rules,
    route_table,
    token_verifier,
)
from lukhas.hub.request_bodies import decompress_stages
from lukhas.hub.splits import split_stages
from lukhas.hub.tracing import intake_of
from lukhas.hub.transformations import cors_stages, redirect_stages, transform_stages
from lukhas.identity.credentials import CredentialCache
from lukhas.identity.key_table import KeyTable, open_key_table
from lukhas.identity.pepper import load_pepper
from lukhas.identity.registry_position import may_lack_keys
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stage import Stage
from lukhas.pipeline.stages.compress import CompressStage, NegotiateStage
from lukhas.pipeline.stages.identify import IdentifyStage
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.observe import ObserveStage, Report, ReportedObserveStage
from lukhas.pipeline.stages.route import RouteStage
from lukhas.pipeline.stages.settle import SettleStage
from lukhas.policy.caching.purges import Purge
from lukhas.policy.explain.records import DecisionRecord
from lukhas.policy.modes import Mode
from lukhas.telemetry.explained import RecentRecords
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.recorder import Recorder

__all__ = ("Hub",)

_log = logging.getLogger("lukhas.hub")


async def _rebuild(state_dir: Path, table: KeyTable, clock: Clock) -> None:
    """Fills an empty key table if there are keys after all: else every one would be refused."""
    # Here and not at the top: SQLAlchemy takes longer to import than all the rest to start.
    from lukhas.identity.key_registry import open_key_registry

    async with open_key_registry(state_dir, clock=clock, table=table):
        _log.info("the table of API keys was made again from the registry: %d keys", table.count())


class Hub:
    """A pipeline with everything it stands on.

    Making one does no I/O; `start` opens what lies on disk. Nothing is shared between two hubs.

    Args:
        settings: what to build.
        clock: the time; the system's if None.
        under_observe: stages to put directly under `observe`; a way in adds its own there.
        around_cache: stages to put directly around the cache.
        unavailable: features that were asked for and are not built; they show among the parts.
        workers: how many processes of this node serve together.
        outlived: whether others take over when this process ends, so that what was counted must
            outlive it.
        disk_bytes: what the cache may take on disk if the settings do not say.
        forwards: whether requests are sent on to upstreams, which are then told of their traces,
            and chosen by what they do.
        reports: who is told of each request that has ended.

    Attributes:
        settings: as given.
        clock: as given.
        intake: makes exchanges.
        pipeline: the stages.
        recorder: what was recorded.
        records: why the last notable requests got their answers.
        explainer: keeps those; None if none are kept.
        cache: the cache.
        entries: its entries.
        counters: the limits' counters.
        openapi: the validation by a description.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        under_observe: tuple[Stage, ...] = (),
        around_cache: tuple[Stage, ...] = (),
        unavailable: tuple[str, ...] = (),
        workers: int = 1,
        outlived: bool = False,
        disk_bytes: int = 0,
        forwards: bool = False,
        reports: tuple[Report, ...] = (),
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.intake = intake_of(settings, self.clock, forwards=forwards)
        self._forwards = forwards
        self.recorder = Recorder()
        self.records = RecentRecords(reports=outlived)
        self.explainer = explainer(settings, self.records)
        # Without an admin process nobody would ask for them.
        repeats = self.recorder.repeats if outlived else None
        self.cache = HubCache(settings, self.clock, disk_bytes=disk_bytes, repeats=repeats)
        self.entries = self.cache.entries
        self._cache = self.cache.stage
        self.counters = HubCounters(settings, workers=workers, outlived=outlived, clock=self.clock)
        self._runtime_limits = RuntimeLimitsFile(settings.state_dir)
        remote = self.counters.remote
        rules = limit_rules(settings)
        self._limits = LimitStage(self.counters, rules, remote=remote, clock=self.clock)
        self._key_table: KeyTable | None = None
        self._credentials: CredentialCache | None = None
        # Without an admin process nobody would take them away.
        self._notes_uses = outlived
        self._tokens = token_verifier(settings)
        self._identify = IdentifyStage(identity_settings(settings), None, tokens=self._tokens)
        # What sheds load gives back what the request was charged.
        self._settles = self._limits.settles or settings.overload.mode is Mode.ENFORCE
        self._contained: Counter[str] = Counter()
        self._seen_contained: Counter[str] = Counter()
        self._failing: dict[str, str] = {}
        self._unavailable = unavailable
        for feature in unavailable:
            _log.warning("%s was asked for and is not available in this version", feature)
        self.openapi = HubOpenApi(settings, self.recorder)
        self._reports = reports
        stages = self._stages(settings, under_observe, around_cache)
        self.pipeline = Pipeline(stages, self._on_contained)
        self._show_gauges()

    def _stages(
        self,
        settings: Settings,
        under_observe: tuple[Stage, ...],
        around_cache: tuple[Stage, ...],
    ) -> tuple[Stage, ...]:
        table = route_table(settings)
        routes = RouteStage(table)
        return (
            self._observe(),
            *under_observe,
            routes,
            *cors_stages(table, routes),
            self._identify,
            *split_stages(table),
            self._limits,
            *((SettleStage(self._limits),) if self._settles else ()),
            *redirect_stages(table),
            *self.openapi.gates(),
            *around_cache,
            *_with_compression(self._cache, settings),
            *decompress_stages(table),
            *self.openapi.body_stages(),
            *transform_stages(table),
            *(best_of_stages(table, self.clock) if self._forwards else ()),
            *admit_stages(
                settings.overload,
                self.clock,
                self.recorder,
                upstream=table.default.rule.upstream,
            ),
        )

    def _observe(self) -> ObserveStage:
        if not self._reports:
            return ObserveStage(self.recorder, self.clock, explain=self.explainer)
        return ReportedObserveStage(
            self.recorder, self.clock, explain=self.explainer, reports=self._reports
        )

    async def start(self, *, with_keys: bool = True) -> None:
        """Opens what lies on disk: the table of API keys, and the keys of tokens.

        Args:
            with_keys: whether to make the table if there is none yet; without, a table that is
                there is used all the same.

        Raises:
            ConfigError: a file with keys of tokens, or the description of the API, cannot be used.
            NotAvailableError: an extra is not installed.
            StateDirError: the state directory cannot be used.
            StoreError: the table is damaged, or cannot be made again from the registry.
        """
        if self._tokens is not None:
            self._tokens.open()
        self.openapi.open()
        state_dir = self.settings.state_dir
        await self.counters.open()
        self.apply_limits()
        await self.cache.open()
        if self._key_table is None and (with_keys or (state_dir / "keys.lmdb").exists()):
            self._key_table = table = open_key_table(state_dir)
            if may_lack_keys(table, state_dir / "admin.sqlite"):
                await _rebuild(state_dir, table, self.clock)
            self._credentials = CredentialCache(
                table, load_pepper(state_dir), notes_uses=self._notes_uses
            )
            self._identify.check_with(self._credentials)

    async def close(self) -> None:
        """Closes what `start` opened, and ends what runs in the background."""
        await self.cache.close()
        self._identify.check_with(None)
        self._credentials = None
        await self.counters.close()
        if self._key_table is not None:
            self._key_table.close()
            self._key_table = None

    async def follow_clock(self) -> None:
        """Once a second: keeps a system clock in step, and follows changes of the limits.

        Until it is cancelled; with another clock it returns at once.
        """
        while isinstance(self.clock, SystemClock):
            self.clock.resync()
            self.apply_limits()
            await asyncio.sleep(1.0)

    def apply_limits(self) -> None:
        """Takes up limits that were changed through the admin API; what was counted stays.

        A file that cannot be used is logged, and the limits stay as they are.
        """
        try:
            changed = self._runtime_limits.changed()
            if changed is None:
                return
            rules = limit_rules(changed.applied(self.settings))
            if rules.settles and not self._settles:
                raise ConfigError(
                    "limits on requests in flight need a restart where the settings have none",
                    hint="set them in the settings",
                )
        except LukhasError as error:
            _log.error("changed limits are not taken up: %s", error)
            return
        if rules != self._limits.rules:
            self._limits.rules = rules
            _log.info("limits of version %d are in effect", changed.version)

    def parts(self) -> list[PartHealth]:
        """The health of each part.

        A stage that was contained since the last call is degraded, with what it raised.
        """
        fresh = self._contained - self._seen_contained
        self._seen_contained = Counter(self._contained)
        parts = [
            PartHealth(stage.name, "degraded", self._failing[stage.name])
            if fresh[stage.name]
            else PartHealth(stage.name, "ok")
            for stage in self.pipeline.stages
        ]
        parts.append(self.counters.health())
        parts.extend(self.cache.health())
        parts.append(self._leaks())
        if self._key_table is not None:
            parts.append(PartHealth("api-keys", "ok"))
        else:
            parts.append(PartHealth("api-keys", "not_available", "no key table is open"))
        if self._tokens is not None:
            wrong = self._tokens.failure
            parts.append(PartHealth("token-keys", "degraded" if wrong else "ok", wrong))
        parts.extend(
            PartHealth(feature, "not_available", "not built in this version")
            for feature in self._unavailable
        )
        return parts

    def key_uses(self) -> dict[str, int]:
        """When API keys were used last (Unix time), by key id: those used since the last call."""
        return {} if self._credentials is None else self._credentials.drain_uses()

    def explain(self, request_id: str) -> DecisionRecord | None:
        """Why a request got its answer; None if no record of it is kept.

        Records are kept of the last refused, failed and slow requests; see the settings `explain`.
        """
        return self.records.find(request_id)

    def purge(self, purge: Purge) -> int:
        """Removes responses from the cache, or ends their freshness.

        Args:
            purge: which; see `lukhas.policy.caching.purges`.

        Returns:
            How many responses it met.
        """
        return self.cache.purge(purge)

    def _leaks(self) -> PartHealth:
        """Routes that the leak guard has put into quarantine."""
        guard = self._cache.guard
        if not guard.quarantined:
            return PartHealth("leak-guard", "ok")
        shown = [
            f"{name} {path.decode('latin-1')}".strip() + f": {reason}"
            for (name, path), reason in list(guard.quarantined.items())[:5]
        ]
        return PartHealth("leak-guard", "degraded", "; ".join(shown))

    def _on_contained(self, stage: str, error: Exception) -> None:
        self._contained[stage] += 1
        self._failing[stage] = f"{type(error).__name__}, {self._contained[stage]} times"
        self.recorder.contained(stage)
        if isinstance(error, LukhasError):
            _log.warning("the %s stage failed: %s", stage, error)
        else:
            _log.error("the %s stage failed", stage, exc_info=error)

    def _show_gauges(self) -> None:
        self.recorder.watch("cache_entries", lambda: self.entries.stats().entries)
        self.recorder.watch("cache_bytes", lambda: self.entries.stats().used_bytes)
        self.recorder.watch("cache_stored", lambda: self.entries.stats().stored)
        self.recorder.watch("cache_evicted", lambda: self.entries.stats().evicted)
        self.recorder.watch("cache_leaks", lambda: self._cache.guard.found)
        self.recorder.watch("limit_states", lambda: len(self.counters))
        self.recorder.watch("limit_store_failures", lambda: self.counters.failures)
        self.recorder.watch("limit_leased_checks", lambda: self.counters.leased[0])
        self.recorder.watch("limit_shared_states", lambda: self.counters.shared)


def _with_compression(cache: Stage, settings: Settings) -> tuple[Stage, ...]:
    modes = (settings.compression.mode, *(route.compression for route in settings.routes))
    if all(mode in {None, Mode.OFF} for mode in modes):
        return (cache,)
    return NegotiateStage(), cache, CompressStage()
