"""Settings of how the servers of an upstream are found."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from lukhas.config.addresses import parse_address
from lukhas.config.fields import CONFIG_FAULT, Seconds, Section
from lukhas.errors import ConfigError

__all__ = ("DiscoverySettings",)


def _fault(what: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError(CONFIG_FAULT, "{what}: {hint}", {"what": what, "hint": hint})


def _nameserver(text: str) -> str:
    try:
        parse_address(text if ":" in text.rpartition("]")[2] or "." not in text else f"{text}:53")
    except ConfigError:
        raise _fault(f"{text!r} is no name server", 'write it like "10.0.0.2:53"') from None
    return text


class DiscoverySettings(Section):
    """How the servers of an upstream are found, and found again while it is served."""

    by: Literal["none", "dns", "srv", "file"] = Field(
        "none",
        description="`none`: they are those of `url` and `targets`; `dns`: every address of the "
        "host of `url`; `srv`: those that the SRV records of `service` name; `file`: those in "
        "`file`. But for `none`, `url` says how they are spoken to.",
    )
    service: str = Field(
        "",
        max_length=253,
        pattern=r"^[A-Za-z0-9._-]*$",
        description="The name of the SRV records, such as `_http._tcp.api.internal`.",
    )
    file: Path | None = Field(
        None,
        description="A file with a server a line, `HOST:PORT` and a weight if it is not 1; what "
        "is behind `#` does not count. It is read again when it changes.",
    )
    nameservers: tuple[Annotated[str, AfterValidator(_nameserver)], ...] = Field(
        (), description="Whom to ask, as `HOST:PORT`; empty is those of the system."
    )
    least_ttl_s: Seconds = Field(
        1.0, description="An answer of the DNS is kept for so long, if it says less."
    )
    most_ttl_s: Seconds = Field(300.0, description="The same, if it says more.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.by == "srv" and not self.service:
            raise _fault("no `service` is named", "name that of the SRV records")
        if self.by == "file" and self.file is None:
            raise _fault("no `file` is named", "name the file that holds the servers")
        if self.most_ttl_s < self.least_ttl_s:
            raise _fault("`most_ttl_s` is below `least_ttl_s`", "raise it, or lower `least_ttl_s`")
        return self
