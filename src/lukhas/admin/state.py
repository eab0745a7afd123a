"""What the admin plane knows: the workers' reports and the process's own parts."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata

from lukhas.clock import Clock
from lukhas.telemetry.families import NodeFigures
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.totals import TotalsByWorker

__all__ = ("AdminState",)


def _no_parts() -> list[PartHealth]:
    return []


def _installed_version() -> str:
    return metadata.version("lukhas-api-optimizer")


def _one_worker() -> NodeFigures:
    return NodeFigures(workers_wanted=1)


def _nothing() -> None:
    pass


@dataclass(slots=True, kw_only=True)
class AdminState:
    """Shared by everything that the admin plane serves.

    Attributes:
        totals: the workers' reports.
        clock: the time.
        started_ns: when the admin process started.
        gateway_url: where the gateway answers, for people, e.g. `"http://127.0.0.1:8000"`.
        node: gives the figures of the node that its workers do not count.
        own_parts: the health of the parts that live in the admin process itself.
        version: of the product.
        closing: set when the process is to end, so that streams end too.
        retire: called when another process is about to take over: no connection is taken any more,
            so who asks next asks that one.
    """

    totals: TotalsByWorker
    clock: Clock
    started_ns: int
    gateway_url: str
    node: Callable[[], NodeFigures] = _one_worker
    own_parts: Callable[[], list[PartHealth]] = _no_parts
    version: str = field(default_factory=_installed_version)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    retire: Callable[[], None] = _nothing
