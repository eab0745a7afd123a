"""Receivers with real sockets, and a source of values that tests set."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from lukhas.analytics.alerts.series_source import SeriesUnavailableError
from lukhas.policy.alerting.alerts import Alert, AlertState
from lukhas.policy.alerting.conditions import Ask, Series, Threshold
from lukhas.policy.alerting.groups import Notification, Reason
from lukhas.policy.alerting.rounds import AlertPlan
from lukhas.policy.alerting.routes import AlertRoute
from lukhas.policy.alerting.rules import Rule, Severity
from lukhas.units import SECOND_NS

__all__ = (
    "NOW_NS",
    "Mailbox",
    "Receiver",
    "Values",
    "a_notification",
    "a_plan",
    "an_alert",
    "mailbox",
    "receiver",
)

NOW_NS = 1_750_000_000 * SECOND_NS


class Values:
    """Every metric has the value that a test gives it, all the time."""

    def __init__(self) -> None:
        self.by_metric: dict[str, float | None] = {}
        self.by_route: dict[str, float | None] = {}
        self.failing = False

    async def values(self, ask: Ask) -> Series:
        assert ask.filters == ()
        if self.failing:
            raise SeriesUnavailableError(ask.metric, "the store is gone")
        steps = (ask.end_ns - ask.start_ns) // (ask.step_s * SECOND_NS)
        return [self.by_metric.get(ask.metric)] * steps

    async def values_by(self, ask: Ask, label: str) -> Mapping[str, Series]:
        assert label == "route"
        steps = (ask.end_ns - ask.start_ns) // (ask.step_s * SECOND_NS)
        return {value: [number] * steps for value, number in self.by_route.items()}


def a_plan(*, route: AlertRoute | None = None, **rule: Any) -> AlertPlan:
    """One rule, `slow`: above 1."""
    slow = Rule(
        "slow",
        Threshold("p99_ms", (), 60, above=1.0),
        Severity.CRITICAL,
        **{"interval_s": 10} | rule,
    )
    default = AlertRoute("alerts", channels=("hook",), group_wait_s=0, group_interval_s=0)
    return AlertPlan((slow,), route or default)


def an_alert(name: str = "slow", *, state: AlertState = AlertState.FIRING) -> Alert:
    """An alert that fires, or is over after a minute."""
    is_over = state is AlertState.RESOLVED
    return Alert(
        id=f"{name}-1",
        rule=name,
        severity=Severity.CRITICAL,
        labels=(("rule", name), ("severity", "critical")),
        summary="Answers <take> too long",
        state=state,
        began_ns=NOW_NS,
        breached_ns=NOW_NS,
        value=2.0,
        why="p99_ms 2 is above 1",
        fired_ns=NOW_NS,
        resolved_ns=NOW_NS + 60 * SECOND_NS if is_over else 0,
    )


def a_notification(
    firing: Sequence[Alert] = (), resolved: Sequence[Alert] = (), **changes: Any
) -> Notification:
    """A message of the group `g` for the channel `hook`."""
    given: dict[str, Any] = {
        "key": f"g@{NOW_NS}",
        "group": "g",
        "reason": Reason.FIRING,
        "channels": ("hook",),
        "firing": tuple(firing),
        "resolved": tuple(resolved),
        "time_ns": NOW_NS,
    }
    return Notification(**given | changes)


@dataclass
class Receiver:
    """A webhook receiver.

    Attributes:
        port: where it listens.
        statuses: what it answers next; then 200 for ever. 0 ends the connection without an answer.
        bodies: what it was sent, the JSON.
        heads: the request lines and fields.
    """

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    heads: list[list[str]] = field(default_factory=list)
    raw: bytes | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=s3cret"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        except asyncio.IncompleteReadError:
            writer.close()
            return
        fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        self.bodies.append(json.loads(await reader.readexactly(int(fields["content-length"]))))
        self.heads.append(head)
        status = self.statuses.pop(0) if self.statuses else 200
        if self.raw is not None:
            writer.write(self.raw)
        elif status:
            text = f"HTTP/1.1 {status} Fine\r\nlocation: http://127.0.0.1:1/\r\n\r\n"
            writer.write(text.encode())
        if status != 1:
            writer.close()


@asynccontextmanager
async def _listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    tls: ssl.SSLContext | None,
) -> AsyncIterator[int]:
    """Serves on a free port, and leaves no connection open at the end."""
    writers: list[asyncio.StreamWriter] = []

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        # A client that goes away is none of a receiver's business.
        with suppress(ConnectionError, ssl.SSLError):
            await serve(reader, writer)

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]
    for writer in writers:
        writer.transport.abort()
    await asyncio.sleep(0)


@asynccontextmanager
async def receiver(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A webhook receiver on a free port."""
    found = Receiver()
    async with _listening(found.serve, tls) as found.port:
        yield found


@dataclass
class Mailbox:
    """A mail server (RFC 5321), with STARTTLS and AUTH PLAIN where it has a certificate.

    Attributes:
        port: where it listens.
        messages: sender, recipients and text of each message.
        logins: user and password of each login.
        refusals: by the first word of a command, what it is answered in place of what it wants.
        secure: of each message, whether it came over TLS.
    """

    port: int = 0
    messages: list[tuple[str, list[str], str]] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    secure: list[bool] = field(default_factory=list)
    tls: ssl.SSLContext | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test\r\n")
        sender, recipients = "", list[str]()
        while line := (await reader.readline()).decode().strip():
            word = line.split()[0].upper()
            if word in self.refusals:
                writer.write(f"{self.refusals[word]}\r\n".encode())
            elif word == "EHLO":
                writer.write(b"250-mail.test\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n")
            elif word == "STARTTLS":
                writer.write(b"220 go\r\n")
                await writer.drain()
                assert self.tls is not None
                await writer.start_tls(self.tls)
            elif word == "AUTH":
                _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
                self.logins.append((user, password))
                writer.write(b"235 ok\r\n")
            elif word == "DATA":
                writer.write(b"354 go\r\n")
                text = (await reader.readuntil(b"\r\n.\r\n")).decode()
                self.messages.append((sender, recipients, text))
                self.secure.append(writer.get_extra_info("ssl_object") is not None)
                writer.write(b"250 taken\r\n")
            elif word == "QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                if word == "MAIL":
                    sender, recipients = line, []
                elif word == "RCPT":
                    recipients.append(line)
                writer.write(b"250 ok\r\n")
        writer.close()


@asynccontextmanager
async def mailbox(
    tls: ssl.SSLContext | None = None, *, from_first_byte: bool = False
) -> AsyncIterator[Mailbox]:
    """A mail server on a free port."""
    found = Mailbox(tls=tls)
    async with _listening(found.serve, tls if from_first_byte else None) as found.port:
        yield found
