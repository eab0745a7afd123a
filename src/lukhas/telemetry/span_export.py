"""Sends the spans of a process to a collector, off the way of requests."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol

from lukhas.telemetry.collector import Collector, Outcome, Receipt
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.spans import Span

__all__ = ("SpanExport", "SpanMessages")

_PATH = "/v1/traces"
_AT_ONCE = 64
_MOST_IN_MESSAGE = 512
_LAST_S = 2.0
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0

_log = logging.getLogger("lukhas.telemetry")


class SpanMessages(Protocol):
    """Writes spans as messages; `OtlpMessages` does."""

    def spans(self, spans: Iterable[Span]) -> bytes:
        """Spans; several of these after one another are one message too."""
        ...

    def rejected_spans(self, answer: bytes) -> int:
        """How many of a message that it took the collector has thrown away."""
        ...


class SpanExport:
    """Takes spans and sends them; for one thread, that of the event loop.

    While the collector does not take them, they wait in a bounded queue, and the same message is
    tried again after a pause that grows. What is more than the queue holds, and what the collector
    refuses, is dropped and counted.

    Args:
        collector: where they go.
        messages: writes them.
        interval_s: how often they are sent.
        most: how many wait.

    Attributes:
        sent: how many spans were taken.
        dropped: how many never will be.
    """

    def __init__(
        self,
        collector: Collector,
        messages: SpanMessages,
        *,
        interval_s: float,
        most: int,
    ) -> None:
        self._collector = collector
        self._messages = messages
        self._interval_s = interval_s
        self._most = most
        self._spans: deque[Span] = deque()
        self._unsent: tuple[bytes, int] | None = None
        self._turn = asyncio.Lock()
        self._failure = ""
        self._pause_s = 0.0
        self._seen_dropped = 0
        self.sent = 0
        self.dropped = 0

    def take(self, spans: Sequence[Span]) -> None:
        """Takes the spans of one request, or drops all of them if too many wait."""
        if len(self._spans) + len(spans) > self._most:
            self.dropped += len(spans)
        else:
            self._spans.extend(spans)

    async def run(self) -> None:
        """Sends what there is once an interval, until it is cancelled."""
        while True:
            await self.flush()
            await asyncio.sleep(max(self._interval_s, self._pause_s))

    async def flush(self) -> bool:
        """Sends everything that there is now.

        Returns:
            Whether nothing is left.
        """
        async with self._turn:
            while self._unsent is not None or self._spans:
                if self._unsent is None:
                    self._unsent = await self._next()
                message, number = self._unsent
                receipt = await self._collector.post(_PATH, message)
                if receipt.outcome is Outcome.BUSY:
                    self._failed(receipt)
                    return False
                self._unsent = None
                self._settle(receipt, number)
            return True

    async def close(self) -> None:
        """Sends the rest, in two seconds at most; what is left counts as dropped."""
        try:
            async with asyncio.timeout(_LAST_S):
                await self.flush()
        except TimeoutError:
            _log.warning("the collector is too slow: the last spans are not sent")
        self.dropped += len(self._spans) + (0 if self._unsent is None else self._unsent[1])
        self._spans.clear()
        self._unsent = None

    def parts(self) -> list[PartHealth]:
        """Its health: degraded while the collector does not take spans, or too many come."""
        fresh = self.dropped - self._seen_dropped
        self._seen_dropped = self.dropped
        why = [self._failure] if self._failure else []
        why += [f"{fresh} spans were dropped"] if fresh else []
        return [PartHealth("otlp-traces", "degraded" if why else "ok", "; ".join(why))]

    async def _next(self) -> tuple[bytes, int]:
        """The next message; requests get their turn while it is made."""
        pieces: list[bytes] = []
        number = 0
        spans = self._spans
        try:
            while spans and number < _MOST_IN_MESSAGE:
                batch = [spans.popleft() for _ in range(min(_AT_ONCE, len(spans)))]
                number += len(batch)
                pieces.append(self._messages.spans(batch))
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.dropped += number
            raise
        return b"".join(pieces), number

    def _failed(self, receipt: Receipt) -> None:
        if not self._failure:
            _log.warning("spans are not taken: %s", receipt.why)
        self._failure = receipt.why
        grown_s = min(max(_FIRST_PAUSE_S, 2 * self._pause_s), _LONGEST_PAUSE_S)
        self._pause_s = max(grown_s, receipt.pause_s)

    def _settle(self, receipt: Receipt, number: int) -> None:
        self._pause_s = 0.0
        if receipt.outcome is Outcome.REFUSED:
            if not self._failure:
                _log.warning("spans are refused: %s", receipt.why)
            self._failure = receipt.why
            self.dropped += number
            return
        if self._failure:
            _log.info("spans are taken again")
        self._failure = ""
        rejected = min(number, self._messages.rejected_spans(receipt.body))
        self.dropped += rejected
        self.sent += number - rejected
