"""Mistakes in how the settings of telemetry fit together."""

from collections.abc import Iterator
from importlib.util import find_spec

from lukhas.config.findings import Finding
from lukhas.config.settings import Settings

__all__ = ("has_otel", "telemetry_findings")


def telemetry_findings(settings: Settings) -> Iterator[Finding]:
    """The mistakes in `telemetry`."""
    tracing = settings.telemetry.tracing
    at = ("telemetry", "tracing", "trust")
    if tracing.mode == "continue" and tracing.trust == "none":
        what = "traces are continued, and nobody's trace is taken up"
        yield Finding(at, what, 'set telemetry.tracing.mode to "start", or trust somebody')
    if tracing.mode != "off" and tracing.trust == "proxies" and not settings.trusted_proxies:
        what = "only the traces of proxies are taken up, and there are no trusted_proxies"
        yield Finding(at, what, "name the networks of the proxies in trusted_proxies")
    otlp = settings.telemetry.otlp
    if otlp.endpoint is not None and not has_otel():
        what = "sending to a collector needs the extra otel, which is not installed"
        hint = 'install it with pip install "lukhas-api-optimizer[otel]"'
        yield Finding(("telemetry", "otlp", "endpoint"), what, hint)


def has_otel() -> bool:
    """Whether the extra `otel` is installed."""
    try:
        return find_spec("opentelemetry.proto.collector.trace.v1") is not None
    except ModuleNotFoundError:
        return False
