"""A mistake in how settings fit together."""

from dataclasses import dataclass

from lukhas.config.key_paths import KeyPath

__all__ = ("Finding",)


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake.

    Attributes:
        path: the value it is about.
        what: what is wrong.
        hint: what to do about it.
    """

    path: KeyPath
    what: str
    hint: str
