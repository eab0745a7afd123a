"""Changes of the settings while everything runs: checked as a whole, kept, and taken up."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lukhas.admin.config_edits import Edit
from lukhas.admin.config_figures import (
    ChangeAnswer,
    ConfigFinding,
    Verdict,
    changed_values,
    fault_findings,
    lint_findings,
    note_findings,
)
from lukhas.admin.config_version import ConfigVersion
from lukhas.admin.records import AdminRecords
from lukhas.config.changes import Changes
from lukhas.config.changes_file import only_writer, read_changes, write_changes
from lukhas.config.faults import SettingsError
from lukhas.config.loading import Loaded, load_settings, read_sources
from lukhas.config.plain_values import Difference, differences
from lukhas.config.settings import Settings
from lukhas.config.sources import SettingsSources, process_environment
from lukhas.errors import ConfigError, LukhasError, StoreError
from lukhas.hub.control_link import Outcome

if TYPE_CHECKING:
    from lukhas.admin.version_log import VersionLog

__all__ = (
    "Asked",
    "ConfigDesk",
    "NotTakenUpError",
    "Reload",
    "ReplacedError",
    "VersionMismatchError",
)

_log = logging.getLogger("lukhas.admin")

Reload = Callable[[], Awaitable[Outcome | None]]
"""Starts new workers with the settings read again; None if nobody can be asked for that."""

_FIXED = frozenset(("listen", "admin.listen", "state_dir"))


class VersionMismatchError(LukhasError):
    """The settings were changed since they were looked at.

    Attributes:
        expected: the version that was looked at.
        version: the version of now.
    """

    def __init__(self, expected: int, version: int) -> None:
        self.expected, self.version = expected, version
        super().__init__(f"the settings are of version {version} by now, not {expected}")


class ReplacedError(LukhasError):
    """The settings were just changed here, and another admin process takes over."""

    def __init__(self) -> None:
        super().__init__("another admin process is taking over (nothing has changed): ask again")


class NotTakenUpError(LukhasError):
    """The new settings were not taken up, and nothing has changed.

    Attributes:
        faults: what is wrong with them; empty if that is not the reason.
    """

    def __init__(self, detail: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(f"{detail} (nothing has changed)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a change is asked for.

    Attributes:
        by: the name of who asks.
        note: why, or what.
        expected: the version that it is meant for; None for any.
        dry_run: whether only to tell what would be.
    """

    by: str
    note: str
    expected: int | None = None
    dry_run: bool = False


class ConfigDesk:
    """Reads and changes the settings of a node.

    Args:
        running: the settings of the workers that run.
        sources: where settings are read from.
        records: where versions are kept.
        reload: takes new settings up.
    """

    def __init__(
        self,
        running: Settings,
        *,
        sources: SettingsSources,
        records: AdminRecords,
        reload: Reload,
    ) -> None:
        self._running = running
        self._state_dir = running.state_dir
        self._sources = sources
        self._records = records
        self._reload = reload
        self._changing = asyncio.Lock()
        self._is_replaced = False

    def changes(self) -> Changes:
        """What was changed.

        Raises:
            ConfigError: the file of changes holds something else.
            StateDirError: it cannot be read.
        """
        return read_changes(self._state_dir)

    async def loaded(self, changes: Changes) -> Loaded:
        """The settings with these changes, from sources as they are now.

        Raises:
            SettingsError: something is wrong with them.
        """
        return await asyncio.to_thread(
            load_settings,
            self._sources.flags,
            self._sources.file,
            process_environment(),
            needs_upstream=True,
            changes=lambda _: changes,
        )

    async def change(self, edit: Edit, asked: Asked) -> ChangeAnswer:
        """Changes the settings, all or nothing: kept only if new workers serve with them.

        With the new workers comes another admin process; from then on this one changes nothing.

        Raises:
            ReplacedError: that is so.
            VersionMismatchError: they are of another version than was expected.
            SettingsError: they would be wrong, or are and stay so.
            NotTakenUpError: the new workers did not start.
            ConfigError: the file of changes holds something else, or has no room.
            StateDirError: it cannot be read or written, or another process changes it now.
            StoreError: the version cannot be kept.
        """
        async with self._changing:
            if self._is_replaced:
                raise ReplacedError
            with only_writer(self._state_dir):
                return await self._change(edit, asked)

    async def _change(self, edit: Edit, asked: Asked) -> ChangeAnswer:
        old = self.changes()
        if asked.expected is not None and asked.expected != old.version:
            raise VersionMismatchError(asked.expected, old.version)
        tree, _, _ = read_sources(self._sources.flags, self._sources.file, process_environment())
        wanted = edit(old, tree)
        before = await self._before(old)
        try:
            after = await self.loaded(wanted)
        except SettingsError as error:
            if not asked.dry_run:
                raise
            return _answer(old.version, findings=fault_findings(error.faults))
        found = differences(before, after.settings)
        findings = [
            *note_findings(after.notes),
            *self._edited(before),
            *lint_findings(after, before=before),
        ]
        if wanted.document() == old.document():
            return _answer(old.version, findings=findings)
        versions = await self._records.versions()
        new = replace(wanted, version=max(old.version, await versions.last()) + 1)
        if not asked.dry_run:
            await self._take_up(old, new, asked, versions)
        return _answer(new.version, found, findings=findings, applied=not asked.dry_run)

    async def verdict(self, edit: Edit) -> Verdict:
        """Whether the settings could be used after a change.

        Raises:
            ConfigError: the file of changes holds something else.
            StateDirError: it cannot be read.
        """
        old = self.changes()
        tree, _, _ = read_sources(self._sources.flags, self._sources.file, process_environment())
        before = await self._before(old)
        try:
            after = await self.loaded(edit(old, tree))
        except SettingsError as error:
            return Verdict(valid=False, findings=fault_findings(error.faults))
        return Verdict(valid=True, findings=lint_findings(after, before=before))

    async def _before(self, old: Changes) -> Settings:
        try:
            return (await self.loaded(old)).settings
        except SettingsError:
            # A change may be what puts it right.
            return self._running

    def _edited(self, now: Settings) -> list[ConfigFinding]:
        """Tells that the sources say something new, which every change takes up as well."""
        paths = [each.path for each in differences(self._running, now) if each.path not in _FIXED]
        if not paths:
            return []
        return [
            ConfigFinding(
                level="warning",
                path=paths[0],
                where=str(self._sources.file or "settings"),
                what=f"settings changed since the last reload are taken up too: {', '.join(paths)}",
                hint="look at them first, or reload before",
            )
        ]

    async def _take_up(
        self, old: Changes, new: Changes, asked: Asked, versions: "VersionLog"
    ) -> None:
        made = ConfigVersion(
            version=new.version,
            at_ns=self._records.clock.now_ns(),
            by=asked.by,
            note=asked.note,
            document=new.document(),
        )
        await versions.keep(made)
        try:
            write_changes(self._state_dir, new)
            outcome = await self._reload()
        except BaseException:
            await self._take_back(old, new, versions)
            raise
        if outcome is None or not outcome.done:
            await self._take_back(old, new, versions)
            detail = "The parent process does not answer" if outcome is None else outcome.detail
            raise NotTakenUpError(detail, () if outcome is None else outcome.faults)
        self._is_replaced = True

    async def _take_back(self, old: Changes, new: Changes, versions: "VersionLog") -> None:
        write_changes(self._state_dir, old)
        try:
            await versions.forget(new.version)
        except StoreError as error:
            _log.warning("version %d stays in the list, unused: %s", new.version, error)

    async def between(self, before: Changes, after: Changes) -> list[Difference]:
        """How settings with these changes differ from those with others.

        Raises:
            SettingsError: something is wrong with one of them.
        """
        first = await self.loaded(before)
        return differences(first.settings, (await self.loaded(after)).settings)

    async def version(self, number: int) -> Changes | None:
        """The changes as of a version; None if it is not kept. 0 is without any.

        Raises:
            StoreError: the versions cannot be read.
            ConfigError: what is kept is something else.
        """
        if number == 0:
            return Changes()
        kept = await (await self._records.versions()).get(number)
        if kept is None:
            return None
        try:
            return Changes.read(kept.document, number)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"version {number} cannot be read ({error})", hint="choose another version"
            ) from None


def _answer(
    version: int,
    found: Sequence[Difference] = (),
    *,
    findings: list[ConfigFinding],
    applied: bool = False,
) -> ChangeAnswer:
    return ChangeAnswer(
        version=version,
        applied=applied,
        changes=changed_values(found),
        findings=findings,
        valid=all(finding.level != "error" for finding in findings),
    )
