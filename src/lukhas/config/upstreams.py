"""Settings of the API behind the gateway: where it is and how it is spoken to."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from lukhas.config.balancing import BalancingSettings
from lukhas.config.discovery import DiscoverySettings
from lukhas.config.fields import CONFIG_FAULT, Host, Name, Seconds, Section, UpstreamUrl

__all__ = ("NamedUpstreamSettings", "UpstreamSettings", "UpstreamTlsSettings")

_SERVER_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|[0-9a-fA-F:.]+")


def _server_name(text: str) -> str:
    if _SERVER_NAME.fullmatch(text):
        return text.lower()
    what, hint = f"{text!r} is not a host name", "write the name that the certificate is for"
    raise PydanticCustomError(CONFIG_FAULT, "{what}: {hint}", {"what": what, "hint": hint})


class UpstreamTlsSettings(Section):
    """How `https` servers are spoken to."""

    verify: bool = Field(
        True,
        description="Whether a certificate must be valid, for this name, and of an authority that "
        "is trusted. Without, anybody in between can read and change everything.",
    )
    ca_file: Path | None = Field(
        None,
        description="A PEM file with the authorities that are trusted, in place of the system's.",
    )
    server_name: Annotated[str, AfterValidator(_server_name)] | None = Field(
        None, description="The name to ask for and to find in the certificate; null: the host's."
    )
    client_cert: Path | None = Field(
        None, description="A PEM file with the certificate that we show, and its chain."
    )
    client_key: Path | None = Field(
        None, description="A PEM file with its key, without a password; null: `client_cert` has it."
    )
    min_version: Literal["1.2", "1.3"] = Field("1.2", description="The oldest version of TLS.")


Weight = Annotated[int, Field(ge=0, le=1_000_000)]


class UpstreamSettings(Section):
    """The API behind the gateway."""

    url: UpstreamUrl | None = Field(
        None,
        description="Where the API is, such as `http://localhost:9000`, `https://api.internal` or "
        "`unix:/run/api.sock`; a path is put before that of each request. Needed by the gateway "
        "only.",
    )
    targets: tuple[UpstreamUrl, ...] = Field(
        (),
        description="More servers of the same API, written as `url`; requests are balanced among "
        "all of them.",
    )
    weights: dict[str, Weight] = Field(
        default_factory=dict,
        description="How much of the requests a server gets in relation to the others, by its "
        "address as it is written above; 1 where nothing is said. One with 0 is drained: it gets "
        "no new requests.",
    )
    host: Literal["client", "target"] | Host = Field(
        "client",
        description="The `Host` that servers are asked with: that of the `client`, that of the "
        "`target`, or this very one. `X-Forwarded-Host` always has that of the client.",
    )
    connect_timeout_s: Seconds = Field(5.0, description="How long a connection may take to open.")
    response_timeout_s: Seconds = Field(
        30.0, description="How long the first byte of a response may take."
    )
    timeout_s: float = Field(
        0.0,
        ge=0,
        le=86_400,
        description="How long it may take to begin an answer, all tries together; 0 is any time.",
    )
    idle_timeout_s: Seconds = Field(
        60.0, description="How long a response may pause between two parts."
    )
    pool_connections: int = Field(
        128,
        ge=1,
        le=65_536,
        description="How many connections may be open at once, to each server from each worker.",
    )
    pool_idle_s: Seconds = Field(
        4.0,
        description="How long an unused connection is kept; below the keep-alive of the upstream.",
    )
    allow_link_local: bool = Field(
        False,
        description="Whether its servers may have link-local addresses (169.254.0.0/16, "
        "fe80::/10). Those of cloud metadata services are refused all the same.",
    )
    discovery: DiscoverySettings = DiscoverySettings()
    tls: UpstreamTlsSettings = UpstreamTlsSettings()
    balancing: BalancingSettings = BalancingSettings()


class NamedUpstreamSettings(UpstreamSettings):
    """One more API behind the gateway, for the routes that name it."""

    name: Name = Field(description="What routes, metrics and errors call it.")
    discovery: DiscoverySettings = Field(
        DiscoverySettings(), description="As `upstream.discovery`."
    )
    tls: UpstreamTlsSettings = Field(UpstreamTlsSettings(), description="As `upstream.tls`.")
    balancing: BalancingSettings = Field(
        BalancingSettings(), description="As `upstream.balancing`."
    )
