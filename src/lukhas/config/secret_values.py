"""The secrets among the settings, for whoever must not write them down."""

from collections.abc import Iterator, Mapping

from pydantic import BaseModel, SecretStr

from lukhas.config.settings import Settings
from lukhas.telemetry.redaction import Redaction, passwords_of

__all__ = ("redaction_of", "secret_values")


def redaction_of(settings: Settings) -> Redaction:
    """Takes the secrets of these settings out of logs."""
    return Redaction(values=secret_values(settings), names=settings.identity.credential_headers)


def secret_values(value: object) -> Iterator[str]:
    """Every secret in a tree of settings, passwords of URLs among them."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, str):
        yield from passwords_of(value)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from secret_values(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from secret_values(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from secret_values(item)
