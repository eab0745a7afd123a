"""Settings of cross-origin resource sharing."""

from typing import Annotated

from pydantic import AfterValidator, Field

from lukhas.config.fields import FieldName, Method, Section, checked
from lukhas.policy.cors import parse_origin
from lukhas.policy.modes import Mode

__all__ = ("CorsSettings", "OriginText")

OriginText = Annotated[str, AfterValidator(checked(parse_origin))]
"""An origin such as `https://app.example.com`, `https://*.example.com`, or `*`."""


class CorsSettings(Section):
    """Which pages of other origins may read answers (CORS)."""

    mode: Mode = Field(
        Mode.OFF,
        description="`enforce` answers preflights and puts the fields on every answer, in place of "
        "those of the API; `shadow` only records what would be refused; `off` leaves all to it.",
    )
    origins: tuple[OriginText, ...] = Field(
        (),
        description="Origins that are allowed, such as `https://app.example.com`; "
        "`https://*.example.com` is every host below, `*` every origin.",
    )
    methods: tuple[Method, ...] = Field(
        (), description="Methods beside GET, HEAD and POST; empty allows what is asked for."
    )
    headers: tuple[FieldName, ...] = Field(
        (), description="Request fields that pages may send; empty allows what is asked for."
    )
    exposed_headers: tuple[FieldName, ...] = Field(
        (), description="Response fields that pages may read beside the usual ones."
    )
    credentials: bool = Field(
        False,
        description="Whether browsers may send cookies along; not together with the origin `*`.",
    )
    max_age_s: int = Field(
        600, ge=0, le=86_400, description="How long browsers remember the answer to a preflight."
    )
