"""Settings of the ways in: the listeners and the front server."""

from typing import Literal

from pydantic import Field, SecretStr

from lukhas.config.addresses import Address
from lukhas.config.fields import AddressField, Cidr, Host, Seconds, Section, SizeBytes
from lukhas.config.operators import OperatorSettings
from lukhas.units import KIB, MIB

__all__ = ("ADMIN_SESSION_COOKIE", "AdminSettings", "ServerSettings")

ADMIN_SESSION_COOKIE = "lukhas_admin_session"
"""The cookie of the admin plane. Cookies ignore ports, so browsers send it to the gateway too."""


class AdminSettings(Section):
    """The admin plane: health, metrics, admin API and dashboard."""

    listen: AddressField = Field(
        Address("127.0.0.1", 8001), description="Where the admin plane listens."
    )
    token: SecretStr | None = Field(
        None,
        min_length=16,
        description="What callers of the admin plane present as bearer token, 16 characters or "
        "more; needed as soon as it listens beyond this machine. Never printed.",
    )
    operators: tuple[OperatorSettings, ...] = Field(
        (), description="More people and programs that may use it, each with a token and a role."
    )


class ServerSettings(Section):
    """What the front server accepts from clients."""

    header_bytes: SizeBytes = Field(
        32 * KIB, ge=1024, description="How large a request head may be: 431 above."
    )
    header_count: int = Field(
        100, ge=1, le=10_000, description="How many fields a request may have: 431 above."
    )
    header_timeout_s: Seconds = Field(10.0, description="How long a request head may take.")
    keep_alive_s: Seconds = Field(
        60.0, description="How long a connection may wait for its next request."
    )
    body_bytes: SizeBytes = Field(
        2048 * MIB, description="How large a request body may be: 413 above; 0 is without a cap."
    )
    body_min_rate_bytes: SizeBytes = Field(
        240, description="How many bytes a second a request body must bring on average; 0: any."
    )
    body_grace_s: Seconds = Field(
        5.0, description="How long a request body may be slower than that at its start."
    )
    drain_s: Seconds = Field(
        30.0, description="How long running requests may take to end when the gateway stops."
    )
    encoded_slashes: Literal["reject", "keep"] = Field(
        "reject",
        description="Whether `%2F` and `%5C` in a path are refused with 400 or kept as they are; "
        "keep them only if the upstream does not decode them into separators.",
    )
    allowed_hosts: tuple[Host, ...] = Field(
        (),
        description="The hosts that requests may name, such as `api.example.com`, with the port "
        "if requests name one: 421 for others; empty allows any.",
    )
    proxy_protocol: tuple[Cidr, ...] = Field(
        (),
        description="Networks of load balancers that begin each connection with a PROXY header "
        "(version 1 or 2), which then says who the client is; from others none is taken.",
    )
