"""Takes messages from the outbox to the channels: again and again, and then no more."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from random import SystemRandom

from lukhas.analytics.alerts.channels import Channel, deliver
from lukhas.analytics.alerts.delivery import DeliveryError
from lukhas.analytics.alerts.outbox import Outbox
from lukhas.analytics.alerts.outgoing import StoredMessage
from lukhas.clock import Clock
from lukhas.policy.alerting.attempts import MOST_ATTEMPTS, next_attempt_ns

__all__ = ("Dispatch",)

_log = logging.getLogger("lukhas.alerts")
_AT_ONCE = 8


class Dispatch:
    """Delivers what is due.

    A message counts as sent when the channel has taken it. If the process ends between that and
    the note of it, the message goes out once more, with the same key: receivers can tell.

    Args:
        outbox: the messages.
        channels: where they go.
        clock: the time.
        jitter: gives numbers from 0 up to 1; random ones if None.
        most_attempts: after so many a message is given up.

    Attributes:
        failing: why each channel that failed last did so, by its name.
    """

    def __init__(
        self,
        outbox: Outbox,
        channels: Sequence[Channel],
        *,
        clock: Clock,
        jitter: Callable[[], float] | None = None,
        most_attempts: int = MOST_ATTEMPTS,
    ) -> None:
        self.outbox = outbox
        self.failing: dict[str, str] = {}
        self._channels = {channel.name: channel for channel in channels}
        self._clock = clock
        self._jitter = jitter or SystemRandom().random
        self._most_attempts = most_attempts

    async def deliver_due(self) -> int:
        """Tries everything that is due once.

        Returns:
            How many messages were taken.

        Raises:
            StoreError: the database failed.
        """
        due = await self.outbox.due(self._clock.now_ns())
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(stored: StoredMessage) -> bool:
            async with gate:
                return await self._try(stored)

        taken = await asyncio.gather(*(one(stored) for stored in due))
        return sum(taken)

    async def _try(self, stored: StoredMessage) -> bool:
        message = stored.message
        channel = self._channels.get(message.channel)
        if channel is None:
            gone = DeliveryError("there is no such channel any more", is_final=True)
            await self._failed(stored, gone)
            return False
        try:
            await deliver(
                channel,
                message.notification,
                dedup_key=message.dedup_key,
                now_ns=self._clock.now_ns(),
            )
        except DeliveryError as error:
            await self._failed(stored, error)
            return False
        except Exception as error:  # noqa: BLE001 - one message must not hold up the others
            _log.exception("channel %s failed", message.channel)
            await self._failed(stored, DeliveryError(type(error).__name__))
            return False
        self.failing.pop(message.channel, None)
        await self.outbox.sent(stored.id, self._clock.now_ns())
        return True

    async def _failed(self, stored: StoredMessage, error: DeliveryError) -> None:
        now_ns = self._clock.now_ns()
        next_ns = None
        if not error.is_final:
            next_ns = next_attempt_ns(
                stored.attempts + 1, now_ns, jitter=self._jitter(), most=self._most_attempts
            )
        name = stored.message.channel
        self.failing[name] = error.what
        fate = "is given up" if next_ns is None else "is tried again"
        _log.warning("channel %s: %s; message %d %s", name, error.what, stored.id, fate)
        await self.outbox.failed(stored, error.what, next_ns=next_ns, now_ns=now_ns)
