"""JSON that clients of the admin API send, where it is not of one form."""

import json
from typing import Any

from fastapi import HTTPException, Request

__all__ = ("MOST_BODY_BYTES", "json_table")

MOST_BODY_BYTES = 1024 * 1024
"""How long it may be."""


async def json_table(request: Request) -> dict[str, Any]:
    """The body, a table.

    Raises:
        HTTPException: it is too long, no JSON, or something else than a table.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BODY_BYTES:
            raise HTTPException(413, f"the body is longer than {MOST_BODY_BYTES} bytes")
    try:
        table = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(422, "the body is no JSON") from None
    if not isinstance(table, dict):
        raise HTTPException(422, "the body is no table")
    return table
