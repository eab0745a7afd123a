"""Mistakes in how the settings of telemetry fit together."""

from collections.abc import Iterator
from importlib.util import find_spec

from lukhas.config.findings import Finding
from lukhas.config.settings import Settings
from lukhas.telemetry.redaction import is_secret_name

__all__ = ("has_otel", "telemetry_findings")


def telemetry_findings(settings: Settings) -> Iterator[Finding]:
    """The mistakes in `telemetry` and `access_log`."""
    tracing = settings.telemetry.tracing
    at = ("telemetry", "tracing", "trust")
    if tracing.mode == "continue" and tracing.trust == "none":
        what = "traces are continued, and nobody's trace is taken up"
        yield Finding(at, what, 'set telemetry.tracing.mode to "start", or trust somebody')
    if tracing.mode != "off" and tracing.trust == "proxies" and not settings.trusted_proxies:
        what = "only the traces of proxies are taken up, and there are no trusted_proxies"
        yield Finding(at, what, "name the networks of the proxies in trusted_proxies")
    yield from _access_log(settings)
    otlp = settings.telemetry.otlp
    if otlp.endpoint is not None and not has_otel():
        what = "sending to a collector needs the extra otel, which is not installed"
        hint = 'install it with pip install "lukhas-api-optimizer[otel]"'
        yield Finding(("telemetry", "otlp", "endpoint"), what, hint)


def _access_log(settings: Settings) -> Iterator[Finding]:
    log = settings.access_log
    if log.output == "file" and log.file is None:
        what = "the access log goes to a file that is not named"
        yield Finding(("access_log", "file"), what, "set access_log.file, or another output")
    if log.output != "file" and log.file is not None:
        what = f"access_log.file is set, and the access log goes to {log.output}"
        yield Finding(("access_log", "output"), what, 'set access_log.output to "file"')
    secret = {"cookie", "set-cookie", "proxy-authorization", *settings.identity.credential_headers}
    for index, name in enumerate(log.fields):
        if name in secret or is_secret_name(name):
            what = f"the field {name} carries credentials, and must not be in a log"
            yield Finding(("access_log", "fields", index), what, "leave it out")


def has_otel() -> bool:
    """Whether the extra `otel` is installed."""
    try:
        return find_spec("opentelemetry.proto.collector.trace.v1") is not None
    except ModuleNotFoundError:
        return False
