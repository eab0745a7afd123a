"""Reminds Alertmanagers of the alerts that still fire."""

from lukhas.analytics.alerts.channels import AlertmanagerChannel, send_alerts
from lukhas.analytics.alerts.delivery import DeliveryError
from lukhas.analytics.alerts.dispatch import Dispatch
from lukhas.analytics.alerts.watch import AlertWatch
from lukhas.clock import Clock
from lukhas.policy.alerting.alertmanager import RENEWED_S, told_to
from lukhas.units import SECOND_NS

__all__ = ("AlertRenewal",)


class AlertRenewal:
    """Sends alerts again that an Alertmanager has heard of by a message.

    A reminder is kept nowhere: the next one comes within a minute. It must not overtake a message
    about the end of its alert, so whoever delivers messages calls this in between.

    Args:
        watch: whose alerts they are.
        dispatch: is told what comes of it.
        clock: the time.
    """

    def __init__(self, watch: AlertWatch, dispatch: Dispatch, *, clock: Clock) -> None:
        self._watch = watch
        self._dispatch = dispatch
        self._clock = clock
        self._renewed_ns: dict[str, int] = {}

    async def renew_due(self) -> int:
        """Sends what is due.

        Returns:
            How many Alertmanagers were reminded.
        """
        reminded = 0
        for channel in self._watch.channels:
            if isinstance(channel, AlertmanagerChannel) and await self._renewed(channel):
                reminded += 1
        return reminded

    async def _renewed(self, channel: AlertmanagerChannel) -> bool:
        now_ns = self._clock.now_ns()
        if now_ns - self._renewed_ns.get(channel.name, 0) < RENEWED_S * SECOND_NS:
            return False
        self._renewed_ns[channel.name] = now_ns
        watch = self._watch
        alerts = told_to(
            channel.name,
            root=watch.plan.root,
            alerts=watch.book.alerts,
            groups=watch.book.groups,
        )
        if not alerts:
            return False
        try:
            await send_alerts(channel, alerts, now_ns=now_ns)
        except DeliveryError as error:
            self._dispatch.failing[channel.name] = error.what
            return False
        self._dispatch.failing.pop(channel.name, None)
        return True
