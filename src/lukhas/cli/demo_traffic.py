"""The synthetic traffic of `lukhas demo`: a few consumers who use the shop, politely."""

import json
import random
import sys
import threading
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

__all__ = ("Caller", "main", "next_request")

_TIMEOUT_S = 5.0
_MAX_PAUSE_S = 5.0
_MAX_BODY = 1_000_000
_STREAM_LINES = 8


@dataclass(frozen=True, slots=True)
class Caller:
    """One consumer.

    Attributes:
        name: for its thread.
        key: its API key; empty if it has none.
        rate: requests a second, on average.
    """

    name: str
    key: str
    rate: float


def next_request(chance: random.Random) -> tuple[str, str, bytes]:
    """Method, path and body of what a shopper does next: mostly a few popular products."""
    what = chance.random()
    if what < 0.45:
        # A long tail: the square makes low numbers popular.
        return "GET", f"/products/{1 + int(119 * chance.random() ** 2)}", b""
    if what < 0.8:
        kind = chance.choice(("lamp", "chair", "desk", "shelf"))
        return "GET", f"/products?category={kind}&page={chance.choice((1, 1, 1, 2))}", b""
    if what < 0.9:
        return "POST", "/cart", json.dumps({"product": chance.randint(1, 130)}).encode()
    if what < 0.96:
        return "GET", "/unstable", b""
    if what < 0.98:
        return "GET", "/reports/sales", b""
    return "GET", "/orders/stream", b""


class _Visit(threading.Thread):
    """One consumer at work: one connection, one request at a time."""

    def __init__(
        self, caller: Caller, *, plan: dict[str, Any], seed: int, stop: threading.Event
    ) -> None:
        super().__init__(name=caller.name, daemon=True)
        self._caller = caller
        source = (plan["source"], 0) if plan["source"] else None
        self._connection = HTTPConnection(
            plan["host"], plan["port"], timeout=_TIMEOUT_S, source_address=source
        )
        self._random = random.Random(seed)  # noqa: S311 - made-up traffic
        self._stop_event = stop

    def run(self) -> None:
        pause_s = 0.0
        while not self._stop_event.wait(pause_s):
            try:
                wanted_s = self._request()
            except (OSError, HTTPException, ValueError):
                # Not up yet, or restarting: try again, not too soon.
                self._connection.close()
                wanted_s = 1.0
            pause_s = min(_MAX_PAUSE_S, wanted_s + self._random.expovariate(self._caller.rate))
        self._connection.close()

    def _request(self) -> float:
        """Makes one request; returns how long the gateway asks to wait."""
        method, path, body = next_request(self._random)
        headers = {"User-Agent": f"lukhas-demo/{self._caller.name}"}
        if self._caller.key:
            headers["X-API-Key"] = self._caller.key
        if body:
            headers["Content-Type"] = "application/json"
        self._connection.request(method, path, body=body or None, headers=headers)
        response = self._connection.getresponse()
        if response.getheader("Content-Type", "").startswith("text/event-stream"):
            for _ in range(_STREAM_LINES):
                response.readline(_MAX_BODY)
            self._connection.close()
            return 0.0
        response.read(_MAX_BODY)
        return float(response.getheader("Retry-After", "0")) if response.status == 429 else 0.0


def main() -> None:
    """Makes traffic as the first line of standard input says, until that ends."""
    plan: dict[str, Any] = json.loads(sys.stdin.readline())
    stop = threading.Event()
    visits = [
        _Visit(Caller(**caller), plan=plan, seed=seed, stop=stop)
        for seed, caller in enumerate(plan["callers"])
    ]
    for visit in visits:
        visit.start()
    # The parent keeps our standard input open as long as it lives.
    while sys.stdin.read(1):
        pass
    stop.set()
    for visit in visits:
        visit.join(_TIMEOUT_S)


if __name__ == "__main__":
    main()
