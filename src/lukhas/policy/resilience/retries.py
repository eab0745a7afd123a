"""Which requests may be sent once more, how many of them, and when."""

from dataclasses import dataclass

from lukhas.units import MILLISECOND_NS, SECOND_NS

__all__ = ("RetryBudget", "RetrySettings", "backoff_ns", "may_retry")

# RFC 9110 section 9.2.2.
_IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
_GROWTH = 2
_TOKEN = 1000


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """How much is tried again.

    Attributes:
        tries: how often a request is sent at most, the first time included; 1: never again.
        statuses: answers that are tried again, of requests that may be sent twice.
        share: the part of all requests that retries may be, in the long run.
        least_a_second: so many retries are allowed every second all the same.
        first_pause_ns: the longest pause before the first retry; the next ones grow.
        longest_pause_ns: no pause is longer.
    """

    tries: int = 2
    statuses: frozenset[int] = frozenset((502, 503, 504))
    share: float = 0.2
    least_a_second: int = 3
    first_pause_ns: int = 25 * MILLISECOND_NS
    longest_pause_ns: int = 250 * MILLISECOND_NS

    def __post_init__(self) -> None:
        if self.tries < 1 or not 0 <= self.share <= 1 or self.least_a_second < 0:
            raise ValueError(f"these settings make no retries: {self}")
        if not 0 <= self.first_pause_ns <= self.longest_pause_ns:
            raise ValueError("the first pause of retries is longer than the longest one")


def may_retry(method: str, *, was_sent: bool, body_is_gone: bool) -> bool:
    """Whether a request that failed may be sent again at all (RFC 9110 section 9.2.2).

    Args:
        method: its method.
        was_sent: whether any of it may have reached the target.
        body_is_gone: whether a body was being streamed, which nobody can send again.
    """
    return not body_is_gone and (not was_sent or method in _IDEMPOTENT)


def backoff_ns(settings: RetrySettings, retry: int, draw: float) -> int:
    """How long to wait before a retry: anything up to a bound that doubles ("full jitter").

    Args:
        settings: see there.
        retry: 1 for the first.
        draw: a number from 0 to 1.
    """
    bound_ns = min(settings.first_pause_ns * _GROWTH ** (retry - 1), settings.longest_pause_ns)
    return int(bound_ns * draw)


class RetryBudget:
    """Keeps retries a small part of all requests, so that they never make an outage worse.

    A bucket as Finagle's: each request pays `share` of a retry in, each second pays
    `least_a_second` in, and each retry takes one out. What is not used in ten seconds is lost.
    Changed in place: it is paid for each request.

    Args:
        settings: see there.

    Attributes:
        refused: retries that there was no budget for.
    """

    __slots__ = ("_least", "_most", "_paid_ns", "_share", "_tokens", "refused")

    def __init__(self, settings: RetrySettings) -> None:
        # In thousandths, so that no rounding ever adds up to a retry.
        self._share = round(settings.share * _TOKEN)
        self._least = settings.least_a_second
        self._tokens = settings.least_a_second * _TOKEN
        self._most = max(settings.least_a_second, 1) * 10 * _TOKEN
        self._paid_ns = 0
        self.refused = 0

    def requested(self) -> None:
        """A request goes out, for the first time."""
        self._tokens = min(self._tokens + self._share, self._most)

    def take(self, now_ns: int) -> bool:
        """Takes a retry out, if there is one."""
        if self._paid_ns:
            gained = (now_ns - self._paid_ns) * self._least * _TOKEN // SECOND_NS
            self._tokens = min(self._tokens + max(0, gained), self._most)
        self._paid_ns = now_ns
        if self._tokens < _TOKEN:
            self.refused += 1
            return False
        self._tokens -= _TOKEN
        return True
