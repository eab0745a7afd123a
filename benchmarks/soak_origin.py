"""`python -m benchmarks.soak_origin PORT`: httpbin, and what it lacks, under waitress."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ("EVENT_PAUSE_S", "main")

EVENT_PAUSE_S = 0.02
_BLOCK = b"0123456789abcdef" * 4096
_THREADS = 32

_Start = Callable[[str, list[tuple[str, str]]], object]


def _number(environ: dict[str, Any]) -> int:
    return int(str(environ["PATH_INFO"]).rpartition("/")[2])


def _events(environ: dict[str, Any], start: _Start) -> Iterable[bytes]:
    """`/events/N`: N server-sent events, a little apart."""
    count = _number(environ)
    start("200 OK", [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")])

    def events() -> Iterator[bytes]:
        for number in range(count):
            yield f"data: {number}\n\n".encode()
            time.sleep(EVENT_PAUSE_S)

    return events()


def _large(environ: dict[str, Any], start: _Start) -> Iterable[bytes]:
    """`/large/N`: N blocks of 64 KiB."""
    count = _number(environ)
    head = [
        ("Content-Type", "application/octet-stream"),
        ("Content-Length", str(count * len(_BLOCK))),
        ("Cache-Control", "no-store"),
    ]
    start("200 OK", head)
    return (_BLOCK for _ in range(count))


def _fresh(_environ: dict[str, Any], start: _Start) -> Iterable[bytes]:
    """`/fresh/N`: what a cache may keep."""
    body = json.dumps({"text": "x" * 2000}).encode()
    head = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "public, max-age=5"),
        ("ETag", '"one"'),
    ]
    start("200 OK", head)
    return [body]


def _cut(_environ: dict[str, Any], start: _Start) -> Iterable[bytes]:
    """`/cut/0`: a response that ends too early."""
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "100000")])

    def part() -> Iterator[bytes]:
        yield b"x" * 30_000
        raise ConnectionAbortedError("cut on purpose")

    return part()


_OWN = {"events": _events, "large": _large, "fresh": _fresh, "cut": _cut}


def main(port: int) -> None:
    """Serves until it is ended."""
    import logging

    from httpbin import app as httpbin
    from waitress import serve

    # Every cut response would be written out.
    logging.getLogger("waitress").setLevel(logging.CRITICAL)

    def origin(environ: dict[str, Any], start: _Start) -> Iterable[bytes]:
        own = _OWN.get(str(environ["PATH_INFO"]).split("/")[1])
        answer: Iterable[bytes] = (own or httpbin)(environ, start)
        return answer

    serve(
        origin,
        host="127.0.0.1",
        port=port,
        threads=_THREADS,
        connection_limit=500,
        channel_timeout=30,
        ident=None,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
