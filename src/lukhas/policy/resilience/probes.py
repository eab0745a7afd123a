"""Active health: a target is asked from time to time, and believed after several answers."""

from dataclasses import dataclass

from lukhas.units import SECOND_NS

__all__ = ("PROBED_FIT", "ProbeSettings", "ProbeState", "is_good", "probed")


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """How a target is asked.

    Attributes:
        path: the path of the question, with a query if need be.
        interval_ns: from one question to the next; each is drawn between this and half of it, so
            that not all workers ask at once.
        timeout_ns: an answer that takes longer is none.
        unfit_after: so many bad answers in a row make a target unfit.
        fit_after: so many good ones in a row make it fit again.
        least_status: the lowest status that is good...
        most_status: ...and the highest.
    """

    path: bytes = b"/"
    interval_ns: int = 10 * SECOND_NS
    timeout_ns: int = 2 * SECOND_NS
    unfit_after: int = 3
    fit_after: int = 2
    least_status: int = 200
    most_status: int = 399

    def __post_init__(self) -> None:
        counts = (self.interval_ns, self.timeout_ns, self.unfit_after, self.fit_after)
        if min(counts) < 1 or self.least_status > self.most_status:
            raise ValueError(f"these settings ask nothing sensible: {self}")


@dataclass(frozen=True, slots=True)
class ProbeState:
    """What the answers of one target told.

    Attributes:
        is_fit: whether it is to get requests.
        against: answers in a row that say the opposite.
    """

    is_fit: bool = True
    against: int = 0


PROBED_FIT = ProbeState()
"""A new target is believed to be fit."""


def is_good(status: int, settings: ProbeSettings) -> bool:
    """Whether an answer with this status is a good one."""
    return settings.least_status <= status <= settings.most_status


def probed(state: ProbeState, settings: ProbeSettings, *, good: bool) -> ProbeState:
    """After an answer, or none in time."""
    if good is state.is_fit:
        return ProbeState(state.is_fit) if state.against else state
    against = state.against + 1
    if against < (settings.unfit_after if state.is_fit else settings.fit_after):
        return ProbeState(state.is_fit, against)
    return ProbeState(not state.is_fit)
