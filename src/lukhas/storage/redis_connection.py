"""One connection to a Redis server, shared by all calls: they are answered in order."""

import asyncio
import socket
from asyncio import AbstractEventLoop, Transport
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol, cast

import hiredis

from lukhas.errors import StoreError, StoreReplyError, StoreUnavailableError
from lukhas.storage.redis_calls import Call
from lukhas.storage.redis_commands import pack
from lukhas.storage.redis_errors import connect_error, greeting_error, reply_error, unavailable
from lukhas.storage.redis_settings import RedisAddress, RedisSettings

__all__ = ("ConnectionOwner", "RedisConnection", "open_connection")

_NOTHING = object()
_NAME = b"lukhas"
_NOT_REDIS = "what listens there is no Redis server, or something between garbles its answers"


class ConnectionOwner(Protocol):
    """Whom a connection tells what happens."""

    def answered(self) -> None:
        """Tells that ordinary answers came; once for all that came together."""
        ...

    def refused(self, call: Call, error: StoreReplyError) -> None:
        """Takes a call that was answered with an error, and may send it again."""
        ...

    def lost(self, connection: "RedisConnection", error: StoreError) -> None:
        """Tells that the connection is gone; its calls have failed already."""
        ...

    def ready(self) -> None:
        """Tells that more can be written."""
        ...


class RedisConnection(asyncio.Protocol):
    """A connection; made with `open_connection`.

    Each reply belongs to the call that was sent longest ago. A reply whose caller has gone is
    dropped in its turn, so that giving up a call never shifts the answers of others.

    Args:
        store: the address, for errors.
        owner: whom to tell what happens.
        loop: the running loop.

    Attributes:
        sent: calls without an answer yet, given up ones included.
        error: why it is gone, or about to be; None while it is good.
        gone: set when it is gone.
        is_full: whether writes should wait.
        opened_s: when it was made, in the time of the loop.
        heard: how often something came from the server.
    """

    def __init__(self, store: str, owner: ConnectionOwner, loop: AbstractEventLoop) -> None:
        self._store = store
        self._owner = owner
        self._reader = hiredis.Reader(
            replyError=partial(reply_error, store), notEnoughData=_NOTHING
        )
        self._transport: Transport | None = None
        self.sent: deque[Call] = deque()
        self.error: StoreError | None = None
        self.gone = asyncio.Event()
        self.is_full = False
        self.opened_s = loop.time()
        self.heard = 0

    def send(self, calls: Sequence[Call]) -> None:
        """Writes calls, in one go."""
        self.sent.extend(calls)
        heard = self.heard
        for call in calls:
            call.heard_before = heard
        if self._transport is not None:
            self._transport.write(b"".join([call.packed for call in calls]))

    def abort(self, error: StoreError) -> None:
        """Drops the connection; calls without an answer fail with this error."""
        if self.error is None:
            self.error = error
        if self._transport is not None:
            self._transport.abort()

    # -- transport callbacks ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self.heard += 1
        try:
            self._reader.feed(data)
            self._distribute()
        except (hiredis.HiredisError, IndexError) as error:
            # IndexError: an answer that nobody asked for; which is whose is not known any more.
            what = "answers that nobody asked for" if isinstance(error, IndexError) else str(error)
            self.abort(StoreUnavailableError(
                self._store, f"sent something that is not Redis ({what})", hint=_NOT_REDIS
            ))  # fmt: skip

    def _distribute(self) -> None:
        gets, next_call = self._reader.gets, self.sent.popleft
        answered = False
        while (reply := gets()) is not _NOTHING:
            kind = type(reply)
            if kind is hiredis.PushNotification:
                continue
            call = next_call()
            if kind is StoreReplyError:
                self._owner.refused(call, reply)
            else:
                answered = True
                future = call.future
                if not future.done():
                    future.set_result(reply)
        if answered:
            self._owner.answered()

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self.is_full = True

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self.is_full = False
        self._owner.ready()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        error = self.error
        if error is None:
            what = "closed the connection"
            if isinstance(exc, OSError):
                what = f"broke the connection ({exc.strerror or exc})"
            error = self.error = StoreUnavailableError(self._store, what, hint="look at its log")
        sent, self.sent = self.sent, deque()
        for call in sent:
            call.fail(unavailable(self._store, error))
        self.gone.set()
        self._owner.lost(self, error)


async def open_connection(
    address: RedisAddress, settings: RedisSettings, owner: ConnectionOwner
) -> RedisConnection:
    """Connects and greets: version, user, database, and a PING that proves that it works.

    Runs inside a task of its own; it uses `asyncio.timeout`.

    Raises:
        StoreUnavailableError: it cannot be used; the text says why, without any password.
    """
    store = str(address)
    loop = asyncio.get_running_loop()
    connection = RedisConnection(store, owner, loop)
    try:
        async with asyncio.timeout(settings.connect_timeout_s):
            await _connect(loop, connection, address, settings)
            await _greet(loop, connection, settings)
    except TimeoutError:
        error = StoreUnavailableError(
            store, f"no connection within {settings.connect_timeout_s:g} s",
            hint="check the network and that the server is not stopped",
        )  # fmt: skip
        connection.abort(error)
        raise error from None
    except (OSError, ValueError) as error:
        raise connect_error(store, error) from error
    except StoreReplyError as error:
        refusal = greeting_error(store, error)
        connection.abort(refusal)
        # Not chained: nothing of the greeting, which held the password, is to be seen.
        raise refusal from None
    except BaseException:
        connection.abort(StoreUnavailableError(store, "not connected"))
        raise
    if connection.error is not None:
        # It greeted and went away in the same breath; its owner was not told, it was nobody's.
        raise unavailable(store, connection.error)
    return connection


async def _connect(
    loop: AbstractEventLoop,
    connection: RedisConnection,
    address: RedisAddress,
    settings: RedisSettings,
) -> None:
    if address.path:
        await loop.create_unix_connection(lambda: connection, address.path)
        return
    transport, _ = await loop.create_connection(
        lambda: connection, address.host, address.port, ssl=settings.tls
    )
    sock = transport.get_extra_info("socket")
    if sock is not None:
        # A peer that vanished without a word is noticed even while nothing is asked of it.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


async def _greet(
    loop: AbstractEventLoop, connection: RedisConnection, settings: RedisSettings
) -> None:
    username = settings.username or "default"
    auth = ("AUTH", username, settings.password) if settings.password else ()
    commands: list[tuple[Any, ...]] = []
    if settings.protocol == 3:
        commands.append(("HELLO", 3, *auth, "SETNAME", _NAME))
    else:
        # Servers before version 6 know a password, but no users.
        if auth:
            commands.append(auth if settings.username else ("AUTH", settings.password))
        commands.append(("CLIENT", "SETNAME", _NAME))
    if settings.database:
        commands.append(("SELECT", settings.database))
    commands.append(("PING",))
    calls = [Call(pack(*command), loop.create_future()) for command in commands]
    connection.send(calls)
    replies = await asyncio.gather(*(call.future for call in calls), return_exceptions=True)
    for reply in replies:
        if isinstance(reply, BaseException):
            raise reply
