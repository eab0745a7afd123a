"""Escalation: who hears of an alert that nobody has taken on."""

from dataclasses import dataclass

from lukhas.units import SECOND_NS

__all__ = ("Escalation", "EscalationLevel", "due_steps", "level_of_step")


@dataclass(frozen=True, slots=True)
class EscalationLevel:
    """One level.

    Attributes:
        channels: who hears.
        after_s: how long after the level before it; the first, after the alert fired.
    """

    channels: tuple[str, ...]
    after_s: int


@dataclass(frozen=True, slots=True)
class Escalation:
    """Levels, one after the other.

    Attributes:
        name: its name.
        levels: at least one.
        repeats: how many times all levels are gone through again.
    """

    name: str
    levels: tuple[EscalationLevel, ...]
    repeats: int = 0


def due_steps(escalation: Escalation, *, since_ns: int, now_ns: int) -> int:
    """How many steps should have been taken by now; a step is a level of one round.

    Args:
        escalation: the levels.
        since_ns: when the alert fired, or woke.
        now_ns: Unix time.
    """
    due_ns = since_ns
    steps = 0
    for level in escalation.levels * (escalation.repeats + 1):
        due_ns += level.after_s * SECOND_NS
        if now_ns < due_ns:
            break
        steps += 1
    return steps


def level_of_step(escalation: Escalation, step: int) -> EscalationLevel:
    """The level of a step, counted from 0."""
    return escalation.levels[step % len(escalation.levels)]
