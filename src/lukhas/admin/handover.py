"""What one admin process leaves for the next, so that a reload or an upgrade loses no figures."""

import logging
from pathlib import Path

import msgspec

from lukhas.telemetry.totals import TotalsState

__all__ = ("Figures", "leave_figures", "take_figures")

_log = logging.getLogger("lukhas.admin")


class Figures(msgspec.Struct, frozen=True):
    """The figures of a node.

    Attributes:
        started_ns: since when they are counted (Unix time).
        totals: the workers' reports.
    """

    started_ns: int
    totals: TotalsState


def leave_figures(path: Path, figures: Figures) -> None:
    """Writes the figures down, whole or not at all; a failure is logged."""
    draft = path.with_suffix(".draft")
    try:
        draft.write_bytes(msgspec.msgpack.encode(figures))
        draft.replace(path)
    except OSError as error:
        _log.warning("the figures cannot be handed over: %s", error)


def take_figures(path: Path) -> Figures | None:
    """The figures that were left, once; None if there are none that can be read."""
    try:
        left = path.read_bytes()
        path.unlink()
        return msgspec.msgpack.decode(left, type=Figures)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        _log.warning("the figures before the restart cannot be read: %s", error)
        return None
