"""The admin process, as the supervisor starts it."""

import logging
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fastapi import APIRouter, FastAPI

from lukhas.admin.access import load_token, may_bind
from lukhas.admin.alert_desk import AlertDesk
from lukhas.admin.alert_routers import alert_routers
from lukhas.admin.app import AdminLifespan
from lukhas.admin.audit_api import audit_router
from lukhas.admin.cache_api import CacheAccess, cache_router
from lukhas.admin.capacity_api import capacity_router
from lukhas.admin.config_api import config_router
from lukhas.admin.config_changes_api import config_changes_router
from lukhas.admin.config_desk import ConfigDesk
from lukhas.admin.config_versions_api import config_versions_router
from lukhas.admin.consumers_api import consumers_router
from lukhas.admin.explain_api import ExplainAccess, explain_router
from lukhas.admin.history_access import HistoryAccess, retention_of
from lukhas.admin.history_api import history_router
from lukhas.admin.history_export import history_export_router
from lukhas.admin.history_live import history_live_router
from lukhas.admin.insights_api import InsightAccess, insights_router
from lukhas.admin.key_uses import KeyUses
from lukhas.admin.keys_api import keys_router
from lukhas.admin.limits import limits_router
from lukhas.admin.metric_sending import metric_sending
from lukhas.admin.operators import operators_of
from lukhas.admin.parent import Parent
from lukhas.admin.process import AdminOptions, Keeping, run_admin
from lukhas.admin.records import AdminRecords
from lukhas.admin.renewal_api import renewal_router
from lukhas.admin.workers_api import workers_router
from lukhas.analytics.export import need_format
from lukhas.analytics.reports import ReportPlan
from lukhas.clock import SystemClock
from lukhas.config.analytics import AnalyticsSettings, ReportSettings
from lukhas.config.secret_values import redaction_of
from lukhas.config.settings import Settings
from lukhas.config.sources import SettingsSources
from lukhas.ending import end_process
from lukhas.errors import LukhasError
from lukhas.hub.cache_purges import CachePurges
from lukhas.hub.child_link import (
    ChildTask,
    announce_ready,
    deaf_to_terminal,
    end_with_parent,
    read_task,
)
from lukhas.storage.node import prepare_state_dir
from lukhas.telemetry.logs import configure_logging

__all__ = ("NodeParts", "main", "node_parts")


def main() -> None:
    """Runs the admin process that the task on standard input describes, until SIGTERM."""
    deaf_to_terminal()
    try:
        task = read_task()
        _serve(task, end_with_parent())
    except LukhasError as error:
        sys.stderr.write(f"lukhas: {error}\n")
        sys.exit(2)


def _serve(task: ChildTask, begin: threading.Event) -> None:
    settings = task.settings
    _configure_logs(settings)
    options = _options(task)

    def get_ready() -> None:
        announce_ready(task)
        if task.waits:
            begin.wait()

    parent = Parent(task.control_path) if task.control_path is not None else None
    parts = node_parts(settings, parent, sources=_sources(task))
    try:
        run_admin(
            options,
            get_ready=get_ready,
            routers=parts.routers,
            lifespan=_all(parts.lifespans),
            parent=parent,
            keeping=Keeping(
                history=parts.history,
                explain=parts.explain if settings.explain.enabled else None,
                key_uses=parts.key_uses,
            ),
            trail=parts.records,
        )
    finally:
        parts.explain.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeParts:
    """Everything that the admin plane of a node serves.

    Attributes:
        routers: the parts of the admin API.
        lifespans: what opens and closes with the app.
        history: what is kept of figures; None for nothing.
        explain: the decision records.
        records: the audit and what else is kept of changes.
        key_uses: when API keys were used last.
    """

    routers: Sequence[APIRouter]
    lifespans: Sequence[AdminLifespan]
    history: HistoryAccess | None
    explain: ExplainAccess
    records: AdminRecords
    key_uses: KeyUses


def node_parts(
    settings: Settings, parent: Parent | None, *, sources: SettingsSources | None = None
) -> NodeParts:
    """The parts for these settings.

    Args:
        settings: the effective settings.
        parent: what is known of the parent process, if there is one.
        sources: where the settings came from; None if they cannot be changed.
    """
    access = CacheAccess(CachePurges(settings))
    # What was kept before it was switched off can still be asked for.
    explain = ExplainAccess(settings.state_dir, settings.explain)
    history = _history(settings.analytics, settings.state_dir)
    records = AdminRecords(settings.state_dir, SystemClock())
    uses = KeyUses(settings.state_dir)
    alerts = AlertDesk(settings, history=history)
    routers = [
        limits_router(settings),
        audit_router(records),
        consumers_router(records, uses),
        keys_router(records, uses),
        cache_router(access),
        *alert_routers(alerts),
        explain_router(explain),
        *_history_routers(history),
    ]
    lifespans = [
        access.lifespan(),
        alerts.lifespan(),
        records.lifespan,
        *metric_sending(settings.telemetry.otlp),
    ]
    routers += _insight_routers(history, settings, parent)
    if parent is not None:
        routers += [renewal_router(parent), workers_router(parent)]
        lifespans.append(parent.lifespan)
    if parent is not None and sources is not None:
        desk = ConfigDesk(
            settings, sources=sources, records=records, reload=partial(parent.order, "reload")
        )
        routers += _config_routers(desk, records)
    return NodeParts(
        routers=routers,
        lifespans=lifespans,
        history=history,
        explain=explain,
        records=records,
        key_uses=uses,
    )


def _config_routers(desk: ConfigDesk, records: AdminRecords) -> list[APIRouter]:
    # In this order: `/{kind}` would take the others' paths.
    return [
        config_versions_router(desk, records),
        config_router(desk),
        config_changes_router(desk),
    ]


def _sources(task: ChildTask) -> SettingsSources | None:
    return None if task.flags is None else SettingsSources(task.flags, task.config_file)


def _configure_logs(settings: Settings) -> None:
    configure_logging(
        style=settings.log.format,
        level=settings.log.level.upper(),
        stream=sys.stderr,
        redaction=redaction_of(settings),
    )
    # What uvicorn says about its own start is under the name "uvicorn.error", errors or not.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    # A new database is no event for people.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _options(task: ChildTask) -> AdminOptions:
    settings = task.settings
    token = settings.admin.token
    may_bind(settings.admin.listen.host, token_configured=token is not None)
    shown = load_token(
        token.get_secret_value() if token is not None else None,
        prepare_state_dir(settings.state_dir),
    )
    return AdminOptions(
        descriptor=task.descriptors[0],
        telemetry_path=task.telemetry_path,
        handover_path=task.handover_path,
        token=shown,
        operators=operators_of(shown, settings.admin.operators),
        gateway_url=task.gateway_url,
        workers=task.workers,
    )


def _history_routers(history: HistoryAccess | None) -> list[APIRouter]:
    if history is None:
        return []
    return [history_router(history), history_live_router(history), history_export_router(history)]


def _insight_routers(
    history: HistoryAccess | None, settings: Settings, parent: Parent | None
) -> list[APIRouter]:
    if history is None:
        return []
    access = InsightAccess(history, settings, parent)
    return [insights_router(access), capacity_router(access)]


def _history(settings: AnalyticsSettings, state_dir: Path) -> HistoryAccess | None:
    if not settings.enabled:
        return None
    url = settings.database
    return HistoryAccess(
        state_dir,
        SystemClock(),
        url="" if url is None else url.get_secret_value(),
        retention=retention_of(settings),
        reports=_reports(settings.reports),
    )


def _reports(settings: ReportSettings) -> ReportPlan | None:
    if settings.folder is None:
        return None
    need_format(settings.format)
    return ReportPlan(folder=settings.folder, period=settings.period, kind=settings.format)


def _all(lifespans: Sequence[AdminLifespan]) -> AdminLifespan:
    @asynccontextmanager
    async def opened(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for lifespan in lifespans:
                await stack.enter_async_context(lifespan(app))
            yield

    return opened


if __name__ == "__main__":
    main()
    end_process()
