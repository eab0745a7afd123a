"""Request identifiers that come from outside."""

import re

__all__ = ("valid_request_id",)

_match = re.compile(rb"[A-Za-z0-9._~+/=-]{1,128}").fullmatch


def valid_request_id(value: bytes) -> bool:
    """Tells whether a sent id may be taken over into logs, headers and records as it is.

    That is 1 to 128 letters, digits or `. _ ~ + / = -`: enough for UUIDs, ULIDs, Base64 and trace
    ids, and nothing that could end a line or start markup.
    """
    return _match(value) is not None
