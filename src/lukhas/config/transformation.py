"""Settings of header fields that are changed on the way."""

from typing import Annotated

from pydantic import AfterValidator, Field

from lukhas.config.fields import Section, checked
from lukhas.policy.field_rules import parse_field, parse_field_name

__all__ = ("FieldText", "HeaderSettings", "RemovedField")


def _field(text: str) -> str:
    parse_field(text)
    return text


def _name(text: str) -> str:
    parse_field_name(text)
    return text


FieldText = Annotated[str, AfterValidator(checked(_field))]
"""A field, written as `Name: value`."""

RemovedField = Annotated[str, AfterValidator(checked(_name))]
"""The name of a field that may be taken off."""


class HeaderSettings(Section):
    """Header fields that are changed on the way to the API and back, on every route."""

    set_request: tuple[FieldText, ...] = Field(
        (), description="Fields that the API sees in place of those of the client: `Name: value`."
    )
    add_request: tuple[FieldText, ...] = Field(
        (), description="Fields that the API sees beside those of the client."
    )
    remove_request: tuple[RemovedField, ...] = Field(
        (), description="Names of fields that the API does not see."
    )
    set_response: tuple[FieldText, ...] = Field(
        (), description="Fields of its answers in place of those of the API."
    )
    add_response: tuple[FieldText, ...] = Field(
        (), description="Fields of its answers beside those of the API."
    )
    remove_response: tuple[RemovedField, ...] = Field(
        (), description="Names of fields that clients do not see, such as `Server`."
    )
    security: bool = Field(
        False,
        description="Puts `X-Content-Type-Options`, `X-Frame-Options` and `Referrer-Policy` on "
        "answers that have none, and takes `Server` and `X-Powered-By` off.",
    )
    hsts_s: int = Field(
        0,
        ge=0,
        le=63_072_000,
        description="The `max-age` of `Strict-Transport-Security` for clients that came by https; "
        "0 is without it.",
    )
