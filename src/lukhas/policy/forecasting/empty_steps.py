"""Steps without any request: nobody asked, or nobody counted."""

from collections.abc import Sequence

__all__ = ("told_apart",)


def told_apart(requests: Sequence[int], day: int) -> list[float | None]:
    """The same counts, with None where it is likely that nothing was counted.

    That is an empty step whose neighbours a day before and a day after, as far as there are any,
    both had requests. A quiet night is quiet every night; an outage is not there every day.

    Args:
        requests: by step.
        day: steps of a day.
    """
    told: list[float | None] = []
    for at, number in enumerate(requests):
        around = [requests[near] for near in (at - day, at + day) if 0 <= near < len(requests)]
        lost = number == 0 and bool(around) and all(around)
        told.append(None if lost else float(number))
    return told
