"""Sends the metrics of a node to a collector."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from lukhas.telemetry.collector import Collector, Outcome
from lukhas.telemetry.health import PartHealth

__all__ = ("MetricExport", "MetricReceipts")

_PATH = "/v1/metrics"
_LAST_S = 2.0

_log = logging.getLogger("lukhas.telemetry")


class MetricReceipts(Protocol):
    """Reads the answers of a collector; `OtlpMessages` does."""

    def rejected_points(self, answer: bytes) -> int:
        """How many values of a message that it took the collector has thrown away."""
        ...


class MetricExport:
    """Sends all metrics once an interval.

    They are sums since the start, so a message that was not taken need not be sent again: the next
    one says more.

    Args:
        collector: where they go.
        message: gives the metrics of now.
        receipts: reads what the collector answers.
        interval_s: how often.

    Attributes:
        sent: how many messages were taken.
        failed: how many were not.
    """

    def __init__(
        self,
        collector: Collector,
        message: Callable[[], bytes],
        receipts: MetricReceipts,
        *,
        interval_s: float,
    ) -> None:
        self._collector = collector
        self._message = message
        self._receipts = receipts
        self._interval_s = interval_s
        self._failure = ""
        self.sent = 0
        self.failed = 0

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.send()

    async def send(self) -> bool:
        """Sends the metrics of now.

        Returns:
            Whether all of them were taken.
        """
        receipt = await self._collector.post(_PATH, self._message())
        why = receipt.why
        if receipt.outcome is Outcome.TAKEN:
            rejected = self._receipts.rejected_points(receipt.body)
            why = f"it throws {rejected} values away" if rejected else ""
        if why:
            self.failed += 1
            if not self._failure:
                _log.warning("metrics are not taken: %s", why)
        else:
            self.sent += 1
            if self._failure:
                _log.info("metrics are taken again")
        self._failure = why
        return not why

    async def close(self) -> None:
        """Sends the last figures, in two seconds at most."""
        try:
            async with asyncio.timeout(_LAST_S):
                await self.send()
        except TimeoutError:
            _log.warning("the collector is too slow: the last metrics are not sent")

    def part(self) -> PartHealth:
        """Its health: degraded while the collector does not take metrics."""
        return PartHealth("otlp-metrics", "degraded" if self._failure else "ok", self._failure)
