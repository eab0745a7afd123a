"""Settings of traces, and of what is sent to an OpenTelemetry collector."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

from lukhas.config.fields import CONFIG_FAULT, FieldName, Seconds, Section, checked
from lukhas.config.targets import parse_target_url

__all__ = ("OtlpSettings", "TelemetrySettings", "TracingSettings")

_VISIBLE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]{0,4094}[\x21-\x7e])?")


def _endpoint(text: str) -> str:
    return parse_target_url(text).url


def _visible(secret: SecretStr) -> SecretStr:
    if not _VISIBLE.fullmatch(secret.get_secret_value()):
        context = {
            "what": "this is empty, or holds characters that no field may hold",
            "hint": "use visible ASCII",
        }
        raise PydanticCustomError(CONFIG_FAULT, "{what}: {hint}", context)
    return secret


_Endpoint = Annotated[str, AfterValidator(checked(_endpoint))]
_Value = Annotated[SecretStr, AfterValidator(_visible)]
_Text = Annotated[str, Field(min_length=1, max_length=255)]


class TracingSettings(Section):
    """Traces of requests through several services (W3C Trace Context)."""

    mode: Literal["off", "continue", "start"] = Field(
        "off",
        description="`continue` takes up the trace that a request belongs to and passes it on to "
        "the API; `start` also begins one where there is none; with `off` the fields of the client "
        "are passed on as they are.",
    )
    trust: Literal["all", "proxies", "none"] = Field(
        "all",
        description="Whose trace is taken up: that of all clients, or only of those in "
        "`trusted_proxies`, or of none.",
    )
    ratio: float = Field(
        0.05,
        ge=0,
        le=1,
        description="The share of traces begun here that is recorded; a trace that was begun "
        "elsewhere is recorded if its `traceparent` says so.",
    )
    records_per_second: int = Field(
        100,
        ge=1,
        le=100_000,
        description="How many requests each worker records in a second at most, whatever their "
        "traces say: recording costs, and clients can ask for it.",
    )
    query_parameters: tuple[_Text, ...] = Field(
        (),
        description="Query parameters whose values spans have. Of all others there is only the "
        "name.",
    )


class OtlpSettings(Section):
    """What is sent to an OpenTelemetry collector, by OTLP over HTTP; needs the extra `otel`."""

    endpoint: _Endpoint | None = Field(
        None,
        description="The collector, such as `http://localhost:4318`; `/v1/traces` and "
        "`/v1/metrics` are added.",
    )
    headers: dict[FieldName, _Value] = Field(
        default_factory=dict,
        description="Fields to send along, such as `{ api-key = ... }`. Values are never printed.",
    )
    traces: bool = Field(True, description="Whether recorded traces are sent.")
    metrics: bool = Field(True, description="Whether all metrics are sent.")
    metrics_interval_s: Seconds = Field(15.0, description="How often metrics are sent.")
    traces_interval_s: Seconds = Field(2.0, description="How often spans are sent.")
    timeout_s: Seconds = Field(5.0, description="How long the collector may take.")
    queue_spans: int = Field(
        4096,
        ge=64,
        le=1_000_000,
        description="How many spans a worker holds while the collector does not take them; more "
        "are dropped and counted.",
    )
    compression: Literal["gzip", "none"] = Field("gzip", description="How it is compressed.")
    ca_file: Path | None = Field(
        None, description="PEM file with the authorities that may have signed its certificate."
    )
    service_name: _Text = Field("lukhas", description="The resource attribute `service.name`.")
    attributes: dict[_Text, _Text] = Field(
        default_factory=dict,
        description='More resource attributes, such as `{ "deployment.environment" = "prod" }`.',
    )


class TelemetrySettings(Section):
    """What others are told of requests."""

    tracing: TracingSettings = TracingSettings()
    otlp: OtlpSettings = OtlpSettings()
