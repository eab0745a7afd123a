"""The middleware: a pipeline around any ASGI app."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import unquote

from lukhas.clock import Clock, SystemClock
from lukhas.errors import ConfigError
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.middleware.binding import Binding, bind
from lukhas.middleware.connections import Serving
from lukhas.middleware.cpu_time import metered
from lukhas.middleware.known_relay import KnownRelay
from lukhas.middleware.marks import EXCHANGE_KEY
from lukhas.middleware.openapi import describe_limits
from lukhas.middleware.relay import Message, Relay, Send, send_repeated, send_response
from lukhas.middleware.request_bodies import ReceivedBody, has_body, receiving
from lukhas.middleware.request_heads import RequestHeads
from lukhas.middleware.short_relay import ShortRelay
from lukhas.middleware.siblings import siblings
from lukhas.pipeline.driving import Run, Waiting, finish, start
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.intake import Intake
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.refusals import refusal
from lukhas.pipeline.short_way import ShortWay
from lukhas.pipeline.stages.cache_plain import Onward
from lukhas.policy.modes import Mode

if TYPE_CHECKING:
    from lukhas.config.settings import Settings

__all__ = ("ASGIApp", "OptimizationHub", "OptimizerMiddleware", "Receive", "Scope")

_log = logging.getLogger("lukhas.middleware")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

# A server on a Unix socket knows no address; all its clients are one.
_NO_PEER = "unix"
_FILES = frozenset(("http.response.pathsend", "http.response.zerocopysend"))


class OptimizationHub(Protocol):
    """What the middleware needs of a hub; `lukhas.hub.hub.Hub` is one."""

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline of the hub."""
        ...

    @property
    def intake(self) -> Intake:
        """Makes exchanges."""
        ...

    async def start(self, *, with_keys: bool = True) -> None:
        """Opens what the hub needs."""
        ...

    async def close(self) -> None:
        """Closes it."""
        ...


class OptimizerMiddleware:
    """Identifies, limits and caches the requests of an ASGI app, before they reach it.

    Pure ASGI: responses pass piece by piece, context variables and background tasks work as without
    it. A WebSocket connection is identified and limited like a request, and its messages are
    counted where a limit asks for that. Marks on routes of Starlette and FastAPI apps
    (`lukhas.middleware.marks`) are found by themselves, in included routers and mounts too.

    Args:
        app: the app.
        settings: all settings; if not given, those of the `LUKHAS_...` environment variables and of
            the file that `LUKHAS_CONFIG` names. The middleware then makes a hub of its
            own, starts it with the app, or at the first request where the server has no lifespan,
            and closes it with the app.
        pipeline: a pipeline, or a hub, instead of settings. Whoever made it starts and closes it.
        clock: where time comes from, for a pipeline or a hub made here.

    Raises:
        ConfigError: both settings and a pipeline are given, or the settings are no `Settings`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: "Settings | None" = None,
        pipeline: "Pipeline | OptimizationHub | None" = None,
        clock: Clock | None = None,
    ) -> None:
        if settings is not None and pipeline is not None:
            raise ConfigError(
                "both settings and a pipeline are given",
                where="OptimizerMiddleware",
                hint="keep one of them: the pipeline was made from settings of its own",
            )
        if settings is not None:
            _check_settings(settings)
        self.app = app
        self._settings = settings
        self._given = pipeline
        self._clock = clock
        self._own_hub: OptimizationHub | None = None
        self._starting: asyncio.Lock | None = None
        self._following: asyncio.Task[None] | None = None
        self._ready: tuple[Pipeline, Intake] | None = None
        self._binding: Binding | None = None
        self._heads = RequestHeads()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one ASGI connection."""
        if scope["type"] != "http":
            await self._pass_other(scope, receive, send)
            return
        pipeline, intake = self._ready or await self._start()
        binding = self._binding
        if binding is None or binding.is_stale():
            binding = self._bind(pipeline, scope)
        client = scope.get("client")
        peer = client[0] if client else _NO_PEER
        head = self._heads.read(scope)
        if head is None:
            await _refuse_host(scope, send, intake=intake, peer=peer)
            return
        root_path = scope.get("root_path", "")
        way = binding.ways.get(root_path) or binding.way(root_path)
        known = way.known if head.known_way is not None else None
        taken = None if known is None else known.take(head, peer, intake)
        if type(taken) is not KnownRelay:
            if isinstance(taken, tuple):
                await send_repeated(send, taken)
                return
            exchange = taken if isinstance(taken, Exchange) else intake.exchange(head, peer)
            await self._serve(scope, receive, send, _Entering(exchange, binding, way))
            return
        taken.server_send = send
        taken.way = way
        scope[EXCHANGE_KEY] = None
        # As `_call_app`: another coroutine would take a twentieth of all that is done here.
        try:
            await self.app(scope, receive, taken.send)
        except Exception as error:
            if not await taken.failed(error):
                raise
            return
        except BaseException:
            taken.abandon()
            raise
        if taken.is_open:
            await taken.ended()

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, entering: "_Entering"
    ) -> None:
        """Serves a request whose stages look at it."""
        exchange, binding, way = entering
        head = exchange.head
        exchange.parks = True
        if binding.reads_bodies and has_body(head):
            exchange.body = ReceivedBody(receive)
        step = way.enter(exchange)
        if isinstance(step, Onward):
            if not (binding.tagged and binding.tags(exchange)):
                scope[EXCHANGE_KEY] = exchange
                await self._call_app(scope, receive, ShortRelay(send, way, exchange, step))
                return
            # The answer may get an ETag, so it is looked at as a whole.
            step = way.late(exchange, step)
        if isinstance(step, Response):
            await send_response(send, step, exchange=exchange)
        else:
            await self._run(scope, receive, send, _UnderWay(exchange, step, binding.tagged, head))

    async def _call_app(self, scope: Scope, receive: Receive, relay: ShortRelay) -> None:
        """Calls the app for a request that came the short way."""
        try:
            await self.app(scope, receive, relay.send)
        except Exception as error:
            # A stage may have another answer; else the app's own error goes on as it is.
            if not await relay.failed(error):
                raise
            return
        except BaseException:
            relay.abandon()
            raise
        if relay.is_open:
            await relay.ended()

    async def _run(
        self, scope: Scope, receive: Receive, send: Send, under_way: "_UnderWay"
    ) -> None:
        """Serves a request whose stages see all of it."""
        exchange, run, tagged, head = under_way
        body = exchange.body
        step = start(run)
        if isinstance(step, Waiting):
            step = await finish(run, step)
        if isinstance(step, Response):
            await send_response(send, step, exchange=exchange)
            return
        scope[EXCHANGE_KEY] = exchange
        if exchange.head is not head:
            # The cache asks whether what it has is still right, or the route changes something.
            scope = _as_asked(scope, exchange.head)
            if exchange.head.path != head.path:
                scope = _at_path(scope, exchange.head.path)
        if exchange.body is not body:
            receive = receiving(exchange.body, receive)
        if _may_be_encoded(exchange):
            scope = _without_files(scope)
        await self._call_metered(scope, receive, Relay(send, run, exchange=exchange, tagged=tagged))

    def _bind(self, pipeline: Pipeline, scope: Scope) -> Binding:
        try:
            binding = bind(pipeline, self.app)
        except ConfigError as error:
            if self._binding is None or not self._binding.keep_limits():
                raise
            # Limits changed at run time: whoever changed them is not the one who asks.
            _log.error("changed limits are not taken up: %s", error)
            return self._binding
        if self._binding is None and EXCHANGE_KEY in scope:
            _log.warning(
                "requests pass two OptimizerMiddlewares, and both count them: keep the outer one, "
                "which finds the marks of mounted apps too"
            )
        self._binding = binding
        describe_limits(scope.get("app", self.app), binding)
        return binding

    async def _call_metered(self, scope: Scope, receive: Receive, relay: Relay) -> None:
        app = metered(self.app, scope[EXCHANGE_KEY])
        while True:
            try:
                await app(scope, receive, relay)
            except Exception as error:
                # A stage may have another answer; else the app's own error goes on as it is.
                if not await relay.failed(error):
                    raise
                return
            except BaseException:
                relay.abandon()
                raise
            if not relay.again():
                break
            scope = _as_asked(scope, scope[EXCHANGE_KEY].head)
            receive = _without_body(receive)
        if relay.is_open:
            await relay.ended()

    async def _pass_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] == "websocket":
            pipeline, intake = self._ready or await self._start()
            binding = self._binding
            if binding is None or binding.is_stale():
                binding = self._bind(pipeline, scope)
            serving = Serving(self.app, binding, intake, self._heads)
            await serving.connection(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _start(self) -> tuple[Pipeline, Intake]:
        """Makes ready what serves requests; once, however many ask for it."""
        if self._starting is None:
            self._starting = asyncio.Lock()
        async with self._starting:
            if self._ready is None:
                given = self._given
                if isinstance(given, Pipeline):
                    # Made after a fork, so that no two processes make the same request ids.
                    self._ready = given, Intake(self._clock or SystemClock(), token_hex(4))
                else:
                    hub = given or await self._started_hub()
                    self._ready = hub.pipeline, hub.intake
            return self._ready

    async def _started_hub(self) -> OptimizationHub:
        from lukhas.config.loading import load_settings
        from lukhas.config.sources import config_file_of, process_environment
        from lukhas.hub.hub import Hub

        settings = self._settings
        if settings is None:
            environ = process_environment()
            settings = load_settings({}, config_file_of(environ), environ).settings
        hub = Hub(settings, clock=self._clock)
        if settings.counters.store == "auto":
            _warn_of_siblings()
        # An app's own process makes no key table; one that is there is used.
        await hub.start(with_keys=False)
        self._own_hub = hub
        self._following = asyncio.create_task(hub.follow_clock())
        return hub

    async def _close(self) -> None:
        hub = self._own_hub
        if hub is not None:
            self._own_hub = None
            self._ready = self._binding = self._starting = None
            if self._following is not None:
                self._following.cancel()
                self._following = None
            await hub.close()

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the lifespan on; what is wrong with the marks shows at startup."""

        async def send_on(message: Message) -> None:
            kind = message["type"]
            if kind == "lifespan.startup.complete":
                pipeline, _ = await self._start()
                self._bind(pipeline, scope)
            elif kind in {"lifespan.shutdown.complete", "lifespan.shutdown.failed"}:
                await self._close()
            await send(message)

        try:
            # So that one further in knows of this one.
            await self.app({**scope, EXCHANGE_KEY: None}, receive, send_on)
        finally:
            await self._close()


class _Entering(NamedTuple):
    """A request that has just come, and where it goes."""

    exchange: Exchange
    binding: Binding
    way: ShortWay


class _UnderWay(NamedTuple):
    """A request and its run, and the names of the routes whose answers get an ETag."""

    exchange: Exchange
    run: Run
    tagged: frozenset[str]
    head: RequestHead


def _check_settings(settings: object) -> None:
    from lukhas.config.settings import Settings

    if not isinstance(settings, Settings):
        raise ConfigError(
            f"settings is a {type(settings).__name__}",
            where="OptimizerMiddleware",
            hint="give it Settings.model_validate({...}), or what load_settings has read",
        )


def _warn_of_siblings() -> None:
    """Says that several workers count apart where nobody chose that; the last one to start does."""
    pid = os.getpid()
    others = siblings(Path("/"), pid, os.getppid())
    if others and pid > max(others):
        _log.warning(
            "%d processes serve this app and each counts for itself, so clients may do %d times "
            'what the limits say: set counters.store to "node", or to "memory" if that is meant',
            len(others) + 1,
            len(others) + 1,
        )


def _as_asked(scope: Scope, head: RequestHead) -> Scope:
    """The scope with the fields and the query that the stages ask with."""
    return {**scope, "headers": [*head.headers.raw], "query_string": head.query}


def _at_path(scope: Scope, path: bytes) -> Scope:
    """The scope with the path that a route is rewritten to."""
    return {**scope, "path": unquote(path, errors="surrogateescape"), "raw_path": path}


def _may_be_encoded(exchange: Exchange) -> bool:
    return exchange.route is not None and exchange.route.rule.compression.mode is Mode.ENFORCE


def _without_files(scope: Scope) -> Scope:
    """The scope of a server that reads no files itself: what it reads nobody here can encode."""
    extensions = scope.get("extensions")
    if not extensions or extensions.keys().isdisjoint(_FILES):
        return scope
    kept = {name: value for name, value in extensions.items() if name not in _FILES}
    return {**scope, "extensions": kept}


def _without_body(receive: Receive) -> Receive:
    """For a second call of the app: only GET is asked twice, and its body was read already."""
    pending: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive_again() -> Message:
        return pending.pop() if pending else await receive()

    return receive_again


async def _refuse_host(scope: Scope, send: Send, *, intake: Intake, peer: str) -> None:
    head = RequestHead(scope["method"], scope.get("scheme", "http"), b"", b"/", b"", Headers([]))
    exchange = intake.exchange(head, peer)
    response = refusal(
        exchange,
        status=400,
        slug="invalid-host",
        title="The Host field is not valid",
        detail="Send exactly one Host field that holds a host name or address, and a port if any.",
    )
    await send_response(send, response, exchange=exchange)
