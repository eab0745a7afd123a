"""Roles of those who run the product: what each may do on the admin plane."""

from enum import StrEnum

__all__ = ("Role", "may")


class Role(StrEnum):
    """What somebody may do; each may also do what those before it may."""

    VIEWER = "viewer"
    """Reads everything but secrets."""

    OPERATOR = "operator"
    """Keeps it running: purges, acknowledges, silences, drains, reloads."""

    ADMIN = "admin"
    """Everything."""


_RANKS = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}


def may(role: Role, needed: Role) -> bool:
    """Whether somebody with a role may do what needs another, or the same."""
    return _RANKS[role] >= _RANKS[needed]
