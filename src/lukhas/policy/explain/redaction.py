"""What of a query may be told."""

from collections.abc import Set

__all__ = ("HIDDEN", "shown_query")

HIDDEN = "***"
"""Stands for a value that is not told."""


def shown_query(query: str, parameters: Set[str]) -> str:
    """The query with the values of these parameters; of all others there is only the name.

    Args:
        query: as it was received.
        parameters: the names, as they are written in the query.
    """
    if not query:
        return ""
    return "&".join(_shown(pair, parameters) for pair in query.split("&"))


def _shown(pair: str, parameters: Set[str]) -> str:
    name, separator, _value = pair.partition("=")
    if not separator:
        # It may be a value without a name, such as a token.
        return pair if pair in parameters or not pair else HIDDEN
    return pair if name in parameters else f"{name}={HIDDEN}"
