"""What a worker tells others of each request: the access log, and spans for a collector."""

import asyncio
import os
import random
from collections.abc import Coroutine
from typing import Any

from lukhas.config.access_log import AccessLogSettings
from lukhas.config.settings import Settings
from lukhas.config.telemetry import TelemetrySettings
from lukhas.errors import ConfigError
from lukhas.hub.otlp import collector_of, messages_of
from lukhas.pipeline.access_entries import access_report
from lukhas.pipeline.request_spans import span_report
from lukhas.pipeline.stages.observe import Report
from lukhas.telemetry.access_lines import AccessLines
from lukhas.telemetry.access_log import AccessLog
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.line_file import LineFile
from lukhas.telemetry.recorder import Recorder
from lukhas.telemetry.span_export import SpanExport

__all__ = ("Reporting",)

_ALL_VALUES = "*"


class Reporting:
    """Built by the settings; nothing of it exists that is switched off.

    Args:
        settings: the effective settings.
        process: what tells this process from others of the machine.

    Raises:
        ConfigError: the file of the access log cannot be written, or the one with authorities
            cannot be used.
        NotAvailableError: the extra `otel` is needed and not installed.
    """

    def __init__(self, settings: Settings, process: str) -> None:
        self._settings = settings
        self._access_log = _access_log(settings.access_log)
        self._spans = _span_export(settings.telemetry, process)

    @property
    def sends_spans(self) -> bool:
        """Whether requests whose trace is recorded are to be timed stage by stage."""
        return self._spans is not None

    def reports(self) -> tuple[Report, ...]:
        """Who is told of each request."""
        reports: list[Report] = []
        if self._access_log is not None:
            fields = self._settings.access_log.fields
            reports.append(access_report(self._access_log.take, fields))
        if self._spans is not None:
            shown = frozenset(self._settings.telemetry.tracing.query_parameters)
            reports.append(span_report(self._spans.take, parameters=shown, draw=random.getrandbits))
        return tuple(reports)

    def jobs(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs while the worker serves."""
        return tuple(each.run() for each in (self._access_log, self._spans) if each is not None)

    def parts(self) -> list[PartHealth]:
        """The health of each."""
        running = (self._access_log, self._spans)
        return [part for each in running if each is not None for part in each.parts()]

    def show(self, recorder: Recorder) -> None:
        """Adds its figures to the metrics."""
        log = self._access_log
        if log is not None:
            recorder.watch("access_log_lines", lambda: log.lines)
            recorder.watch("access_log_lines_dropped", lambda: log.dropped)
        spans = self._spans
        if spans is not None:
            recorder.watch("spans_sent", lambda: spans.sent)
            recorder.watch("spans_dropped", lambda: spans.dropped)

    async def close(self) -> None:
        """Writes and sends what there still is, for a short time."""
        await asyncio.gather(
            *(each.close() for each in (self._access_log, self._spans) if each is not None)
        )


def _span_export(settings: TelemetrySettings, process: str) -> SpanExport | None:
    otlp = settings.otlp
    collector = collector_of(otlp)
    if collector is None or not otlp.traces or settings.tracing.mode == "off":
        return None
    return SpanExport(
        collector,
        messages_of(otlp, process),
        interval_s=otlp.traces_interval_s,
        most=otlp.queue_spans,
    )


def _access_log(settings: AccessLogSettings) -> AccessLog | None:
    if settings.format == "off":
        return None
    shown = settings.query_parameters
    lines = AccessLines(
        settings.format,
        parameters=None if _ALL_VALUES in shown else frozenset(shown),
        client=settings.client,
        fields=settings.fields,
    )
    return AccessLog(lines.line, _file(settings), most=settings.queue_lines)


def _descriptor(output: str) -> int:
    descriptor = 2 if output == "stderr" else 1
    try:
        os.fstat(descriptor)
    except OSError:
        raise ConfigError(
            f"there is no {output}", where="access_log.output", hint="name a file"
        ) from None
    return descriptor


def _file(settings: AccessLogSettings) -> LineFile:
    if settings.output != "file" or settings.file is None:
        return LineFile(_descriptor(settings.output))
    file = LineFile(settings.file)
    try:
        file.open()
    except OSError as error:
        raise ConfigError(
            f"{settings.file} cannot be written: {error.strerror}",
            where="access_log.file",
            hint="name a file in a folder that this user may write to",
        ) from None
    return file
