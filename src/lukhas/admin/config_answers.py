"""How changes of the settings are asked for over HTTP, and what is answered where one fails."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Header, HTTPException, Query, Request
from fastapi.responses import Response

from lukhas.admin.audit import changed_nothing, note_change
from lukhas.admin.config_desk import (
    Asked,
    ConfigDesk,
    NotTakenUpError,
    ReplacedError,
    VersionMismatchError,
)
from lukhas.admin.config_edits import Edit
from lukhas.admin.config_figures import ChangeAnswer, fault_findings
from lukhas.admin.operators import operator_of
from lukhas.admin.problems import problem_answer
from lukhas.config.faults import SettingsError
from lukhas.errors import LukhasError

__all__ = ("FAILURES", "Ordered", "Orders", "answered", "etag")

T = TypeVar("T")

FAILURES: dict[int | str, dict[str, Any]] = {
    412: {"description": "The settings were changed since; nothing has changed now."},
    422: {"description": "The settings would be wrong; nothing has changed."},
    503: {"description": "They cannot be kept, or the new workers did not start."},
}

_MOST_AUDITED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a request says about how a change is made.

    Attributes:
        request: the request.
        response: its answer to be.
        if_match: the version that the change is meant for, as a tag; None for any.
        note: why, for the list of versions.
        dry_run: whether only to tell what would be.
    """

    request: Request
    response: Response
    if_match: str | None
    note: str
    dry_run: bool

    async def carried_out(
        self, desk: ConfigDesk, edit: Edit, *, target: str, what: str
    ) -> ChangeAnswer:
        """Changes the settings, and answers whatever comes of it.

        Args:
            desk: changes them.
            edit: the change.
            target: what is changed, for the audit.
            what: the change in a word, for the list of versions where there is no note.
        """
        scope = self.request.scope
        if self.dry_run:
            changed_nothing(scope)
        note_change(scope, target=target)
        asked = Asked(
            by=operator_of(scope).name,
            note=self.note or f"{what} {target}",
            expected=_version(self.if_match),
            dry_run=self.dry_run,
        )
        answer = await answered(desk.change(edit, asked))
        if isinstance(answer, ChangeAnswer):
            self.response.headers["etag"] = etag(answer.version)
            if answer.applied:
                # Another admin process takes over now.
                self.request.app.state.admin.retire()
                self.response.headers["connection"] = "close"
            else:
                changed_nothing(scope)
            note_change(scope, detail=_audited(answer, self.note))
        return answer


def _orders(
    request: Request,
    response: Response,
    if_match: Annotated[
        str | None,
        Header(description="The version that the change is meant for: 412 if it is another."),
    ] = None,
    note: Annotated[str, Query(max_length=500, description="Why, for the list of versions.")] = "",
    *,
    dry_run: Annotated[bool, Query(description="Only check, and tell what would change.")] = False,
) -> Orders:
    return Orders(request=request, response=response, if_match=if_match, note=note, dry_run=dry_run)


Ordered = Annotated[Orders, Depends(_orders)]
"""The orders of a request."""


def etag(version: int) -> str:
    """A version as an entity tag (RFC 9110, 8.8.3)."""
    return f'"{version}"'


async def answered(answer: Awaitable[T]) -> T:
    """The answer, or the problem in its place: FastAPI passes responses on as they are."""
    try:
        return await answer
    except LukhasError as error:
        return cast("T", _problem(error))


def _problem(error: LukhasError) -> Response:
    if isinstance(error, VersionMismatchError):
        return problem_answer(
            412,
            "version-mismatch",
            "The settings were changed since",
            f"{error}. Look at them again.",
            extensions=(("version", error.version),),
        )
    if isinstance(error, SettingsError):
        findings = [each.model_dump() for each in fault_findings(error.faults)]
        return problem_answer(
            422,
            "settings-refused",
            "The settings are refused",
            f"{error.faults[0]} (nothing has changed)",
            extensions=(("faults", tuple(map(str, error.faults))), ("findings", findings)),
        )
    if isinstance(error, ReplacedError):
        return problem_answer(
            503,
            "changes-unavailable",
            "The settings cannot be read or changed",
            str(error),
            {"retry-after": "1"},
        )
    if isinstance(error, NotTakenUpError) and error.faults:
        return problem_answer(
            422,
            "settings-refused",
            "The settings are refused",
            str(error),
            extensions=(("faults", error.faults),),
        )
    if isinstance(error, NotTakenUpError):
        return problem_answer(503, "renewal-failed", "The new workers did not start", str(error))
    return problem_answer(
        503, "changes-unavailable", "The settings cannot be read or changed", str(error)
    )


def _version(tag: str | None) -> int | None:
    if tag is None or tag.strip() == "*":
        return None
    text = tag.strip().removeprefix("W/").strip('"')
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise HTTPException(422, f'{tag!r} names no version: write If-Match: "7"')
    return int(text)


def _audited(answer: ChangeAnswer, note: str) -> str:
    told = [f"version {answer.version}"] + ([note] if note else [])
    told += [
        f"{change.path}: {change.before!r} -> {change.after!r}"
        for change in answer.changes[:_MOST_AUDITED]
    ]
    more = len(answer.changes) - _MOST_AUDITED
    return "; ".join(told) + (f"; and {more} more" if more > 0 else "")
