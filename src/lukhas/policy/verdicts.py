"""What a stage decided about an exchange, and why."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from lukhas.policy.modes import Mode

__all__ = ("Fact", "Outcome", "Reasoned", "Verdict")

Fact = tuple[str, str | int | float | bool | None]


class Outcome(Enum):
    """What the stage did with the exchange."""

    PASSED = "passed"
    REFUSED = "refused"
    ANSWERED = "answered"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A stage's decision with its reason.

    Attributes:
        stage: the name of the stage.
        outcome: what it did, or in shadow mode would have done.
        reason: a short stable phrase, e.g. `"limit free-minute reached"`.
        policy: the name of the policy that decided; empty where the stage has none.
        mode: the mode of that policy.
        facts: the figures behind the decision.
    """

    stage: str
    outcome: Outcome
    reason: str
    policy: str = ""
    mode: Mode = Mode.ENFORCE
    facts: tuple[Fact, ...] = ()

    def verdict(self) -> "Verdict":
        """Itself: a verdict is its own explanation."""
        return self


class Reasoned(Protocol):
    """A decision that can say itself as a verdict, when somebody asks.

    Hot paths leave the decision on the exchange as it is; the words are made only on demand.
    """

    def verdict(self) -> Verdict:
        """The decision as a verdict."""
        ...
