"""What is needed to send to a collector; without the extra `otel` it is not there."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lukhas.errors import NotAvailableError

if TYPE_CHECKING:
    from lukhas.telemetry.otlp_messages import OtlpMessages

__all__ = ("otlp_messages",)


def otlp_messages(resource: Mapping[str, str], version: str) -> "OtlpMessages":
    """Writes messages; see `OtlpMessages`.

    Raises:
        NotAvailableError: the extra is not installed.
    """
    try:
        from lukhas.telemetry.otlp_messages import OtlpMessages
    except ImportError:
        raise NotAvailableError(
            "sending to an OpenTelemetry collector",
            'install it with pip install "lukhas-api-optimizer[otel]"',
        ) from None
    return OtlpMessages(resource, version)
