"""The one settings tree of the product."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import core_schema

from lukhas.config.access_log import AccessLogSettings
from lukhas.config.addresses import Address
from lukhas.config.alerts import AlertSettings
from lukhas.config.analytics import AnalyticsSettings
from lukhas.config.answers import LogSettings, RouteSettings
from lukhas.config.caching import CacheSettings
from lukhas.config.compression import CompressionSettings
from lukhas.config.consumers import (
    CounterSettings,
    ExemptSettings,
    IdentitySettings,
    LimitSettings,
    RateLimitHeaderSettings,
    TierSettings,
)
from lukhas.config.cors import CorsSettings
from lukhas.config.decompression import DecompressionSettings
from lukhas.config.explain import ExplainSettings
from lukhas.config.fields import AddressField, Cidr, Section, StateDir
from lukhas.config.openapi import OpenApiSettings
from lukhas.config.overload import OverloadSettings
from lukhas.config.serving import AdminSettings, ServerSettings
from lukhas.config.sources import default_state_dir, process_environment
from lukhas.config.telemetry import TelemetrySettings
from lukhas.config.tls import Http2Settings, TlsSettings
from lukhas.config.transformation import HeaderSettings
from lukhas.config.upstreams import NamedUpstreamSettings, UpstreamSettings
from lukhas.config.websockets import WebSocketSettings
from lukhas.config.workers import Workers
from lukhas.policy.strategies import Strategy

__all__ = ("Settings",)


class _ShortForm:
    """`upstream = URL` is short for `upstream.url = URL`, for values given in Python.

    Values of a file are written out before they come here. A validator for them as well would make
    Python values of all of the section, and lists are not taken for tuples then.
    """

    def __get_pydantic_core_schema__(
        self, source: type, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        section = handler(source)
        expanded = core_schema.no_info_before_validator_function(_expand_upstream, section)
        return core_schema.json_or_python_schema(json_schema=section, python_schema=expanded)


def _expand_upstream(value: object) -> object:
    return {"url": value} if isinstance(value, str) else value


def _state_dir() -> Path:
    return default_state_dir(process_environment())


class Settings(Section):
    """Everything that can be set, with safe defaults throughout.

    Values given in Python are checked one by one as values of a file are, by pydantic, which
    raises its `ValidationError`; `lukhas.config.loading` also checks how they fit together.
    """

    listen: AddressField = Field(
        Address("127.0.0.1", 8000), description="Where the gateway listens."
    )
    admin: AdminSettings = AdminSettings()
    upstream: Annotated[UpstreamSettings, _ShortForm()] = UpstreamSettings()
    upstreams: tuple[NamedUpstreamSettings, ...] = Field(
        (),
        description="More APIs behind the gateway, for the routes that name them. Without "
        "`upstream`, the first is for all other requests.",
    )
    workers: Workers = Field(
        1,
        description="How many processes serve requests, up to 64; `auto` is one for each CPU that "
        "this process may use, and `auto:1-8` follows the load between these numbers.",
    )
    state_dir: StateDir = Field(
        default_factory=_state_dir,
        description="Where keys and counters are kept; by default the folder `lukhas` in the XDG "
        "state home.",
    )
    server: ServerSettings = ServerSettings()
    tls: TlsSettings = TlsSettings()
    http2: Http2Settings = Http2Settings()
    websocket: WebSocketSettings = WebSocketSettings()
    trusted_proxies: tuple[Cidr, ...] = Field(
        (),
        description="Networks of proxies in front of the gateway, whose `X-Forwarded-For` is "
        "believed.",
    )
    identity: IdentitySettings = IdentitySettings()
    tiers: TierSettings = TierSettings()
    limits: tuple[LimitSettings, ...] = Field((), description="Limits on top of the tiers.")
    exempt: ExemptSettings = ExemptSettings()
    counters: CounterSettings = CounterSettings()
    rate_limit_headers: RateLimitHeaderSettings = RateLimitHeaderSettings()
    strategy: Strategy = Field(
        Strategy.BALANCED,
        description="How far speed may go at the cost of freshness and memory: the defaults of "
        "`cache`; see the how-to on caching for the table.",
    )
    cache: CacheSettings = CacheSettings()
    overload: OverloadSettings = OverloadSettings()
    compression: CompressionSettings = CompressionSettings()
    request_decompression: DecompressionSettings = DecompressionSettings()
    openapi: OpenApiSettings = OpenApiSettings()
    cors: CorsSettings = CorsSettings()
    headers: HeaderSettings = HeaderSettings()
    routes: tuple[RouteSettings, ...] = Field(
        (), description="Requests with policies of their own; the most specific route wins."
    )
    alerts: AlertSettings = AlertSettings()
    log: LogSettings = LogSettings()
    access_log: AccessLogSettings = AccessLogSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    explain: ExplainSettings = ExplainSettings()
    analytics: AnalyticsSettings = AnalyticsSettings()
