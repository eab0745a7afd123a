"""Where exchanges begin: a request head gets its time and its id."""

from collections.abc import AsyncIterator, Callable
from itertools import count

from lukhas.clock import Clock
from lukhas.http.messages import RequestHead
from lukhas.http.request_id import valid_request_id
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.access.consumers import Consumer

__all__ = ("Intake",)


class Intake:
    """Makes exchanges.

    Args:
        clock: the time of arrival comes from it.
        prefix: first part of every request id made here; unique to this process.

    Attributes:
        now_ns: reads the clock.
        new_id: makes a request id, unique over processes.
    """

    def __init__(self, clock: Clock, prefix: str) -> None:
        self.now_ns = clock.now_ns
        numbered = (prefix.encode("ascii") + b"-%x").__mod__
        # In C throughout: one is made for every request.
        self.new_id: Callable[[], bytes] = map(numbered, count(1)).__next__

    def exchange(
        self,
        head: RequestHead,
        peer: str,
        *,
        body: AsyncIterator[bytes] | None = None,
        asserted: Consumer | None = None,
    ) -> Exchange:
        """The exchange for a request that has just arrived.

        The client's X-Request-ID is kept if it is one; else an id is made, unique over processes.
        """
        request_id = head.headers.index().get(b"x-request-id")
        if request_id is None or not valid_request_id(request_id):
            request_id = self.new_id()
        return Exchange(head, peer, self.now_ns(), request_id, body, asserted)
