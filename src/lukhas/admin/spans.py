"""Lengths of time in addresses."""

from fastapi import HTTPException

from lukhas.config.spans import span_s
from lukhas.errors import ConfigError

__all__ = ("asked_span_s",)


def asked_span_s(text: str, *, what: str, least_s: int, most_s: int) -> int:
    """See `span_s`.

    Raises:
        HTTPException: 422, it is none that is allowed.
    """
    try:
        return span_s(text, what=what, least_s=least_s, most_s=most_s)
    except ConfigError as error:
        raise HTTPException(422, str(error)) from None
