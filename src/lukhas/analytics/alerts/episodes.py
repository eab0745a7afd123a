"""What happened to an alert, and who did it."""

from dataclasses import dataclass

from lukhas.errors import LukhasError
from lukhas.policy.alerting.alerts import Alert, AlertState

__all__ = ("AlertEvent", "AlertNotFoundError", "AlertNotOpenError", "Episode")


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """Something that happened to an alert.

    Attributes:
        alert_id: to which.
        time_ns: when (Unix time).
        kind: `fired`, `acknowledged`, `snoozed`, `unsnoozed`, `resolved` or `note`.
        author: who did it; empty if nobody did.
        detail: more about it.
    """

    alert_id: str
    time_ns: int
    kind: str
    author: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Episode:
    """An alert with all that happened to it.

    Attributes:
        alert: the alert.
        events: what happened, the oldest first.
    """

    alert: Alert
    events: tuple[AlertEvent, ...]


class AlertNotFoundError(LukhasError):
    """There is no such alert.

    Attributes:
        alert_id: the id asked for.
    """

    def __init__(self, alert_id: str) -> None:
        self.alert_id = alert_id
        super().__init__(f"there is no alert {alert_id!r}")


class AlertNotOpenError(LukhasError):
    """What was asked for does not fit the state of the alert.

    Attributes:
        alert_id: the alert.
        state: its state.
    """

    def __init__(self, alert_id: str, state: AlertState) -> None:
        self.alert_id = alert_id
        self.state = state
        super().__init__(f"the alert {alert_id} is {state.value}")
