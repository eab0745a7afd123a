"""Settings of the access log."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from lukhas.config.fields import FieldName, Section

__all__ = ("AccessLogSettings",)

_Text = Annotated[str, Field(min_length=1, max_length=200)]


class AccessLogSettings(Section):
    """A line for each request that the gateway has answered."""

    format: Literal["off", "json", "common", "combined"] = Field(
        "off",
        description="`json`: one object a line; `common` and `combined`: the formats of the Apache "
        "server.",
    )
    output: Literal["stdout", "stderr", "file"] = Field("stdout", description="Where lines go.")
    file: Path | None = Field(
        None,
        description="The file, where `output` is `file`; made anew when it was moved away.",
    )
    query_parameters: tuple[_Text, ...] = Field(
        (),
        description="Query parameters whose values are shown; of all others there is only the "
        'name. `["*"]` shows all values.',
    )
    client: Literal["address", "network", "none"] = Field(
        "address",
        description="The address of the client, or only its network (/24, IPv6: /48), or nothing.",
    )
    fields: tuple[FieldName, ...] = Field(
        ("referer", "user-agent"),
        max_length=8,
        description="Request fields whose values are shown: all of them with `json`, with "
        "`combined` only these two. Fields that carry credentials are refused.",
    )
    queue_lines: int = Field(
        10_000,
        ge=100,
        le=1_000_000,
        description="How many lines a worker holds while they cannot be written; more are dropped "
        "and counted.",
    )
