"""Settings of the cache, of the routes and of the log."""

from typing import Literal

from pydantic import Field

from lukhas.config.fields import (
    Allowance,
    Host,
    Method,
    Name,
    PathTemplate,
    Section,
    SizeBytes,
)
from lukhas.policy.modes import Mode
from lukhas.units import MIB

__all__ = ("CacheSettings", "LogSettings", "RouteSettings")

_YEAR_S = 366 * 86_400


class CacheSettings(Section):
    """The HTTP cache."""

    mode: Mode = Field(
        Mode.ENFORCE, description="`enforce`, `shadow` (count and report only) or `off`."
    )
    default_ttl_s: int | None = Field(
        None,
        ge=0,
        le=_YEAR_S,
        description="How long to keep a response that does not say so itself and sets no cookie; "
        "null keeps none of these.",
    )
    max_ttl_s: int = Field(
        7 * 86_400, ge=0, le=_YEAR_S, description="How long to keep any response at most."
    )
    size_bytes: SizeBytes = Field(64 * MIB, description="How much memory the entries may take.")
    max_body_bytes: SizeBytes = Field(MIB, description="How large a stored body may be.")
    private: bool = Field(
        False, description="Keeps entries for each consumer apart, instead of shared ones only."
    )


class RouteSettings(Section):
    """Requests that share policies: those of some hosts, methods and one path template."""

    name: Name = Field(description="Shown in metrics and in refusals.")
    path: PathTemplate = Field(
        description="Such as `/users/{id}`, where a name fills one part, or `/static/{rest:path}`; "
        "`*` is every path."
    )
    hosts: tuple[Host, ...] = Field(
        (), description="The hosts it is for, with the port if requests name one; empty is any."
    )
    methods: tuple[Method, ...] = Field(
        (), description="The methods it is for, where GET includes HEAD; empty is any."
    )
    limits: Allowance | None = Field(
        None, description="How much each consumer may do here, on top of all other limits."
    )
    limits_mode: Mode = Field(
        Mode.ENFORCE, description="`enforce`, `shadow` (count and report only) or `off`."
    )
    cache_mode: Mode | None = Field(None, description="In place of `cache.mode`.")
    cache_ttl_s: int | None = Field(
        None, ge=0, le=_YEAR_S, description="In place of `cache.default_ttl_s`."
    )
    cache_private: bool | None = Field(None, description="In place of `cache.private`.")
    cost: int = Field(
        1,
        ge=1,
        le=1_000_000,
        description="What a request here costs of every limit that counts requests.",
    )
    exempt: bool = Field(False, description="Frees these requests from every limit.")
    body_bytes: SizeBytes | None = Field(
        None, description="In place of `server.body_bytes`; 0 is without a cap."
    )


class LogSettings(Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least urgent events that are written."
    )
    format: Literal["json", "console"] = Field(
        "console", description="One JSON object a line, or lines for people."
    )
