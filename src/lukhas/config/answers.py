"""Settings of the routes and of the log."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lukhas.config.balancing import hash_key_text
from lukhas.config.best_of import BestOfSettings
from lukhas.config.caching import YEAR_S, PostKind, QueryNames
from lukhas.config.cors import OriginText
from lukhas.config.fields import (
    Allowance,
    Host,
    Method,
    Name,
    PathTemplate,
    Section,
    SizeBytes,
)
from lukhas.config.resilience import RouteFallbackSettings, RouteMirrorSettings
from lukhas.config.transformation import FieldText, RemovedField
from lukhas.policy.modes import Mode

__all__ = ("LogSettings", "RouteSettings")


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
        None, ge=0, le=YEAR_S, description="In place of `cache.default_ttl_s`."
    )
    cache_private: bool | None = Field(None, description="In place of `cache.private`.")
    cost: int = Field(
        1,
        ge=1,
        le=1_000_000,
        description="What a request here costs of every limit that counts requests.",
    )
    cache_ignore_client: bool | None = Field(
        None, description="In place of `cache.ignore_client_cache_control`."
    )
    cache_query_allow: QueryNames | None = Field(
        None,
        description="The only query parameters that count; others are also taken off the request.",
    )
    cache_query_ignore: QueryNames = Field(
        (), description="Query parameters that do not count; they are taken off the request."
    )
    cache_query_sort: bool = Field(
        False, description="Puts query parameters in order, in the key and in the request."
    )
    cache_post: PostKind = Field(
        "never",
        description="Which POST requests are answered from the cache: `graphql` queries, or with "
        "`body` all, by the bytes of their body.",
    )
    cache_post_serves_get: bool = Field(
        False,
        description="Stores the answer to a POST for later GETs where it is explicitly fresh and "
        "its `Content-Location` names the address itself.",
    )
    compression: Mode | None = Field(None, description="In place of `compression.mode`.")
    decompress_request: bool | None = Field(
        None, description="In place of `request_decompression.enabled`."
    )
    exempt: bool = Field(False, description="Frees these requests from every limit.")
    body_bytes: SizeBytes | None = Field(
        None, description="In place of `server.body_bytes`; 0 is without a cap."
    )
    cors: Mode | None = Field(None, description="In place of `cors.mode`.")
    cors_origins: tuple[OriginText, ...] | None = Field(
        None, description="In place of `cors.origins`."
    )
    set_request_headers: tuple[FieldText, ...] = Field(
        (), description="As `headers.set_request`, here only, after the general ones."
    )
    remove_request_headers: tuple[RemovedField, ...] = Field(
        (), description="As `headers.remove_request`, here only."
    )
    set_response_headers: tuple[FieldText, ...] = Field(
        (), description="As `headers.set_response`, here only, after the general ones."
    )
    remove_response_headers: tuple[RemovedField, ...] = Field(
        (), description="As `headers.remove_response`, here only."
    )
    rewrite: str | None = Field(
        None,
        description="The path that the API sees, such as `/v2/items/{id}` for the path "
        "`/items/{id}`; null is that of the client.",
    )
    redirect: str | None = Field(
        None,
        description="Where clients are sent instead of being served, such as `/v2/items/{id}` or "
        "`https://api.example.com/items/{id}`; the query goes along.",
    )
    redirect_status: Literal[301, 302, 303, 307, 308] = Field(
        308, description="The status of the redirect; 307 and 308 keep the method."
    )
    upstream: Name | None = Field(
        None,
        description="Which of `upstreams` these requests go to; null is that of all others.",
    )
    split: dict[Name, Annotated[int, Field(ge=0, le=1_000_000)]] = Field(
        default_factory=dict,
        description="Several of `upstreams` in place of one, each with its weight, such as "
        "`{ stable = 95, canary = 5 }`; `default` is that of all others.",
    )
    split_by: Annotated[str, AfterValidator(hash_key_text)] = Field(
        "consumer",
        description="Who stays with one of them: the `consumer`, the `client` address, or the "
        "value of `header:NAME` or `cookie:NAME`; where there is none, each request is drawn for.",
    )
    best_of: BestOfSettings | None = Field(
        None,
        description="Several of `upstreams` that do the same in place of one: the one that does "
        "best gets the requests.",
    )
    timeout_s: Annotated[float, Field(ge=0, le=86_400)] | None = Field(
        None,
        description="How long the API may take to begin its answer here, all tries together; then "
        "clients get 504. 0 is any time, null is what the upstream says.",
    )
    fallback: RouteFallbackSettings | None = Field(
        None, description="What stands in where the API cannot answer."
    )
    mirror: RouteMirrorSettings | None = Field(
        None, description="Where copies of the requests go; nobody sees the answers to them."
    )
    websocket: bool = Field(
        False,
        description="Lets clients of the gateway open WebSocket connections here; elsewhere the "
        "wish to is passed over, and the request is one like any other.",
    )


class LogSettings(Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least urgent events that are written."
    )
    format: Literal["json", "console"] = Field(
        "console", description="One JSON object a line, or lines for people."
    )
