"""Apps that send what they are told: all that an app may do to its response."""

import asyncio
from typing import Any

from tests.unit.middleware.stages import body, start

__all__ = ("APPS", "App", "Changing")

_LENGTH = (b"Content-Length", b"2")
_LOWER = (b"content-length", b"2")


class App:
    """Sends what it is told, and then raises, or not."""

    def __init__(self, *messages: dict[str, Any], error: BaseException | None = None) -> None:
        self._messages = messages
        self._error = error

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        for message in self._messages:
            await send(message)
        if self._error is not None:
            raise self._error


class Changing:
    """Answers like one app at first, and then like another."""

    def __init__(self, *apps: App) -> None:
        self._apps = list(apps)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        app = self._apps[0] if len(self._apps) == 1 else self._apps.pop(0)
        await app(scope, receive, send)


def _file(kind: str, *, more: bool = False) -> dict[str, Any]:
    return {"type": f"http.response.{kind}", "path": "/f", "more_body": more}


_HINT = {"type": "http.response.early_hint", "links": []}
_TRAILERS = {"type": "http.response.trailers", "headers": []}
_LOWER_START = start(200, _LOWER, (b"x", b"1"))
APPS = {
    "one piece": App(start(200, _LENGTH, (b"X", b"1")), body(b"ab")),
    "names in lower case": App(start(200, _LOWER, (b"x", b"1")), body(b"ab")),
    "another value": App(start(200, _LOWER, (b"x", b"2")), body(b"ab")),
    "another length": App(start(200, (b"content-length", b"3"), (b"x", b"1")), body(b"abc")),
    "no length by that name": App(start(200, (b"content-length", b"x"), (b"x", b"1")), body(b"a")),
    "another status": App(start(201, _LOWER, (b"x", b"1")), body(b"ab")),
    "names in another order": App(start(200, (b"x", b"1"), _LOWER), body(b"ab")),
    "two pieces": App(start(200, _LENGTH), body(b"a", more=True), body(b"b")),
    "lower, two pieces": App(_LOWER_START, body(b"a", more=True), body(b"b")),
    "lower, one name": App(start(200, _LOWER), body(b"ab")),
    "long fields": App(start(200, _LOWER, (b"x", b"1" * 3000)), body(b"ab")),
    "fields of one name": App(start(200, _LENGTH, (b"x", b"1"), (b"x", b"2")), body(b"ab")),
    "two lengths": App(start(200, _LENGTH, (b"content-length", b"7")), body(b"ab")),
    "no length": App(start(200), body(b"a", more=True), body(b"b")),
    "no fields": App({"type": "http.response.start", "status": 204}, body(b"")),
    "a length that is none": App(start(200, (b"content-length", b"x")), body(b"ab")),
    "fields in a tuple": App({**start(), "headers": (_LENGTH,)}, body(b"ab")),
    "an error": App(start(500, _LENGTH), body(b"ab")),
    "lower, an error": App(start(500, _LOWER, (b"x", b"1")), body(b"ab")),
    "hint and trailers": App(
        _HINT, {**start(200, _LENGTH), "trailers": True}, body(b"ab"), _TRAILERS
    ),
    "lower, a file in two pieces": App(
        _LOWER_START, _file("zerocopysend", more=True), _file("zerocopysend")
    ),
    "lower, hint": App(_HINT, _LOWER_START, body(b"ab")),
    "lower, trailers": App({**_LOWER_START, "trailers": True}, body(b"ab"), _TRAILERS),
    "trailers halfway": App(start(200, _LENGTH), body(b"a", more=True), _TRAILERS, body(b"b")),
    "two heads": App(_LOWER_START, start(201, _LOWER), body(b"ab")),
    "two answers": App(_LOWER_START, body(b"ab"), start(201, _LOWER), body(b"cd")),
    "a file": App(start(200, _LENGTH), _file("pathsend")),
    "lower, a file": App(_LOWER_START, _file("pathsend")),
    "a file in two pieces": App(
        start(200, _LENGTH), _file("zerocopysend", more=True), _file("zerocopysend")
    ),
    "a file of unknown length": App(start(200), _file("pathsend")),
    "a file before its head": App(_file("pathsend")),
    "to be stored": App(start(200, _LENGTH, (b"cache-control", b"max-age=60")), body(b"ab")),
    "to be confirmed": App(start(200, _LENGTH, (b"etag", b'"1"')), body(b"ab")),
    "nothing": App(),
    "a body alone": App(body(b"ab")),
    "half": App(start(200, _LENGTH), body(b"a", more=True)),
    "lower, half": App(_LOWER_START, body(b"a", more=True)),
    "half of unknown length": App(start(200), body(b"a", more=True)),
    "a head alone": App(start(200, _LENGTH)),
    "lower, a head alone": App(_LOWER_START),
    "a failure": App(error=LookupError("own")),
    "a failure after the head": App(start(200, _LENGTH), error=LookupError("own")),
    "lower, a failure after the head": App(_LOWER_START, error=LookupError("own")),
    "a failure of unknown length": App(start(200), error=LookupError("own")),
    "a failure after all": App(start(200, _LENGTH), body(b"ab"), error=LookupError("own")),
    "lower, a failure after all": App(_LOWER_START, body(b"ab"), error=LookupError("own")),
    "cancelled": App(error=asyncio.CancelledError()),
    "cancelled after the head": App(start(200, _LENGTH), error=asyncio.CancelledError()),
    "lower, cancelled after the head": App(_LOWER_START, error=asyncio.CancelledError()),
    "cancelled after all": App(start(200, _LENGTH), body(b"ab"), error=asyncio.CancelledError()),
    "lower, cancelled after all": App(_LOWER_START, body(b"ab"), error=asyncio.CancelledError()),
    "cancelled of unknown length": App(start(200), error=asyncio.CancelledError()),
}
