"""The audit: who changed what on the admin plane, written down before the answer goes out."""

import logging
from dataclasses import dataclass
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lukhas.admin.operators import operator_of
from lukhas.admin.permissions import Deed
from lukhas.errors import LukhasError

__all__ = ("AuditEntry", "AuditTrail", "address_of", "changed_nothing", "note_change", "recorded")

_log = logging.getLogger("lukhas.audit")

_NOTES = "lukhas.audit"
_LONGEST_DETAIL = 2000
_LONGEST_TARGET = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing that somebody did, or tried to do.

    Attributes:
        by: the name of who did it.
        role: their role.
        action: what it was, such as `cache.purge`.
        target: what it was done to; empty if the action says it all.
        detail: more about it, never a secret.
        status: the HTTP status of the answer: from 400 on, nothing was done.
        address: where they were; empty if that is not known.
        at_ns: when (Unix time), unlike that of every other entry; 0 until it is kept.
    """

    by: str
    role: str
    action: str
    target: str
    detail: str
    status: int
    address: str
    at_ns: int = 0


class AuditTrail(Protocol):
    """Keeps entries; none is ever changed."""

    async def prepare(self) -> None:
        """Makes sure that entries can be kept.

        Raises:
            LukhasError: they cannot.
        """
        ...

    async def append(self, entry: AuditEntry) -> None:
        """Keeps an entry.

        Raises:
            LukhasError: it cannot be kept.
        """
        ...


@dataclass(slots=True)
class _Notes:
    target: str
    detail: str = ""
    changes: bool = True


def note_change(scope: Scope, *, detail: str = "", target: str = "") -> None:
    """Says more about what a request changes, for its entry; never a secret."""
    notes = scope.get(_NOTES)
    if isinstance(notes, _Notes):
        notes.detail = detail or notes.detail
        notes.target = target or notes.target


def changed_nothing(scope: Scope) -> None:
    """Says that a request was only a question, so that it needs no entry."""
    notes = scope.get(_NOTES)
    if isinstance(notes, _Notes):
        notes.changes = False


async def recorded(
    serve: ASGIApp, trail: AuditTrail, scope: Scope, receive: Receive, send: Send, *, deed: Deed
) -> None:
    """Serves a request that changes something, and keeps its entry before it is answered."""
    notes = scope[_NOTES] = _Notes(deed.target)
    is_kept = False

    async def keep(status: int) -> None:
        nonlocal is_kept
        if is_kept or not notes.changes:
            return
        is_kept = True
        operator = operator_of(scope)
        entry = AuditEntry(
            by=operator.name,
            role=operator.role.value,
            action=deed.action,
            target=notes.target[:_LONGEST_TARGET],
            detail=notes.detail[:_LONGEST_DETAIL],
            status=status,
            address=address_of(scope),
        )
        try:
            await trail.append(entry)
        except LukhasError as error:
            # What was done cannot be taken back: it is told where somebody may still see it.
            _log.error("an entry of the audit is lost: %s: %r", error, entry)

    async def watched(message: Message) -> None:
        if message["type"] == "http.response.start":
            await keep(message["status"])
        await send(message)

    try:
        await serve(scope, receive, watched)
    except Exception:
        await keep(500)
        raise


def address_of(scope: Scope) -> str:
    """The address of the other end; empty if the server does not tell it."""
    client = scope.get("client")
    return str(client[0]) if client else ""
