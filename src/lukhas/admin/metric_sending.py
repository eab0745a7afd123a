"""Sends the metrics of the node to an OpenTelemetry collector, while the admin plane runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from lukhas.admin.app import AdminLifespan
from lukhas.admin.state import AdminState
from lukhas.config.telemetry import OtlpSettings
from lukhas.hub.otlp import collector_of, messages_of
from lukhas.telemetry.families import families_of
from lukhas.telemetry.metric_export import MetricExport

__all__ = ("metric_sending",)


def metric_sending(settings: OtlpSettings) -> tuple[AdminLifespan, ...]:
    """What sends them: the same sums that `/metrics` shows; nothing where they are not sent.

    Raises:
        ConfigError: the file with authorities cannot be used.
        NotAvailableError: the extra `otel` is not installed.
    """
    collector = collector_of(settings)
    if collector is None or not settings.metrics:
        return ()
    messages = messages_of(settings, "")

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        state: AdminState = app.state.admin

        def message() -> bytes:
            now_ns = state.clock.now_ns()
            families = families_of(state.totals.totals(now_ns), state.node())
            return messages.metrics(families, started_ns=state.started_ns, now_ns=now_ns)

        export = MetricExport(collector, message, messages, interval_s=settings.metrics_interval_s)
        others = state.own_parts
        state.own_parts = lambda: [*others(), export.part()]
        task = asyncio.create_task(export.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await export.close()

    return (running,)
