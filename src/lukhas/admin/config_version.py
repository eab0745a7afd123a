"""A version of the settings, as it is kept."""

from dataclasses import dataclass, field
from typing import Any

__all__ = ("ConfigVersion",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigVersion:
    """What was changed about the settings as of one version.

    Attributes:
        version: its number.
        at_ns: when it was made (Unix time).
        by: by whom.
        note: why, in their words, or what.
        document: all changes, as `lukhas.config.changes` writes them. May hold secrets.
    """

    version: int
    at_ns: int
    by: str
    note: str
    document: dict[str, Any] = field(repr=False)
