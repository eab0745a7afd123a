"""The collector that the settings name, and what it is told of this process."""

import socket
from importlib import metadata
from typing import TYPE_CHECKING

from lukhas.config.telemetry import OtlpSettings
from lukhas.telemetry.collector import Collector
from lukhas.telemetry.otlp import otlp_messages

if TYPE_CHECKING:
    from lukhas.telemetry.otlp_messages import OtlpMessages

__all__ = ("collector_of", "messages_of")


def collector_of(settings: OtlpSettings) -> Collector | None:
    """Where data goes; None where none is sent.

    Raises:
        ConfigError: the file with authorities cannot be used.
    """
    if settings.endpoint is None:
        return None
    return Collector(
        settings.endpoint,
        headers=tuple((name, value.get_secret_value()) for name, value in settings.headers.items()),
        timeout_s=settings.timeout_s,
        compressed=settings.compression == "gzip",
        ca_file=settings.ca_file,
    )


def messages_of(settings: OtlpSettings, process: str) -> "OtlpMessages":
    """Writes the messages of a process.

    Args:
        settings: what it is to be called.
        process: what tells it from others of this machine; empty for the whole node.

    Raises:
        NotAvailableError: the extra `otel` is not installed.
    """
    version = metadata.version("lukhas-api-optimizer")
    host = socket.gethostname()
    resource = {
        "service.name": settings.service_name,
        "service.version": version,
        "service.instance.id": f"{host}/{process}" if process else host,
        "host.name": host,
    }
    return otlp_messages(resource | settings.attributes, version)
