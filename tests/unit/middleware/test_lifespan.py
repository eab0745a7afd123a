"""Starting and closing the hub that the middleware made."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket

from lukhas.config.settings import Settings
from lukhas.errors import ConfigError
from lukhas.hub.hub import Hub
from lukhas.identity.key_table import open_key_table
from lukhas.middleware import OptimizerMiddleware, asgi, cache
from lukhas.middleware.fastapi import LUKHASFastAPIMiddleware
from tests.unit.middleware.kit import call, http_scope, statuses


class Lifespan:
    """The server's end of a lifespan."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self._events = ["lifespan.startup", "lifespan.shutdown"]

    async def receive(self) -> dict[str, Any]:
        return {"type": self._events.pop(0)}

    async def send(self, message: Any) -> None:
        self.sent.append(dict(message))

    async def run(self, app: Any) -> list[str]:
        await app({"type": "lifespan", "asgi": {}, "state": {}}, self.receive, self.send)
        return [message["type"].removeprefix("lifespan.") for message in self.sent]


def hubs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to hubs from here on."""
    events: list[str] = []
    start, close = Hub.start, Hub.close

    async def started(self: Hub, *, with_keys: bool = True) -> None:
        events.append("start")
        await start(self, with_keys=with_keys)

    async def closed(self: Hub) -> None:
        events.append("close")
        await close(self)

    monkeypatch.setattr(Hub, "start", started)
    monkeypatch.setattr(Hub, "close", closed)
    return events


def make_app(tmp_path: Path, **options: Any) -> FastAPI:
    app = FastAPI()
    app.add_middleware(
        OptimizerMiddleware,
        settings=Settings(state_dir=tmp_path / "state", tiers={"free": "2/minute"}),
        **options,
    )
    app.get("/")(lambda: "ok")
    return app


async def test_the_hub_lives_as_long_as_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub starts with the app and closes with it, once."""
    events = hubs(monkeypatch)
    assert await Lifespan().run(make_app(tmp_path)) == ["startup.complete", "shutdown.complete"]
    assert events == ["start", "close"]


async def test_without_a_lifespan_the_hub_starts_at_the_first_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Limits hold on servers that know no lifespan."""
    events = hubs(monkeypatch)
    assert await statuses(make_app(tmp_path), "/", 3) == [200, 200, 429]
    assert events == ["start"]
    assert not (tmp_path / "state" / "keys.lmdb").exists()


async def test_a_given_hub_is_left_to_whoever_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pipeline=hub` uses the hub; starting and closing it is not ours."""
    events = hubs(monkeypatch)
    hub = Hub(Settings(state_dir=tmp_path, tiers={"free": "1/minute"}))
    for given in (hub, hub.pipeline):
        app = FastAPI()
        app.add_middleware(LUKHASFastAPIMiddleware, pipeline=given)
        app.get("/")(lambda: "ok")
        await Lifespan().run(app)
    assert await statuses(app, "/", 2) == [200, 429]
    assert events == []


async def test_a_mark_that_cannot_be_enforced_stops_the_start(tmp_path: Path) -> None:
    """A cache on a WebSocket route is refused at startup, not silently dropped."""
    app = make_app(tmp_path)

    @app.websocket("/ws")
    @cache(ttl_s=5)
    async def ws(socket: WebSocket) -> None: ...

    lifespan = Lifespan()
    with pytest.raises(ConfigError, match="WebSocket"):
        await lifespan.run(app)
    assert lifespan.sent[-1]["type"] == "lifespan.startup.failed"


async def test_an_app_without_lifespan_is_left_alone(tmp_path: Path) -> None:
    """An app that raises at the lifespan scope does so through the middleware."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    middleware = OptimizerMiddleware(app, settings=Settings(state_dir=tmp_path))
    with pytest.raises(NotImplementedError):
        await Lifespan().run(middleware)
    assert (await call(middleware, http_scope())).status == 204


def test_settings_of_another_kind_are_refused_at_once() -> None:
    """A dict would fail somewhere inside, with an error that tells nobody what to do."""
    wrong: Any = {"tiers": {"free": "1/minute"}}
    with pytest.raises(ConfigError, match=r"settings is a dict: give it Settings.model_validate"):
        OptimizerMiddleware(FastAPI(), settings=wrong)


@pytest.mark.parametrize(
    ("store", "others", "is_told"),
    [
        ("auto", (1, 2), True),
        ("auto", (1, 1 << 40), False),
        ("auto", (), False),
        ("memory", (1, 2), False),
    ],
)
async def test_workers_that_count_apart_are_told_of(  # noqa: PLR0917 - fixtures
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    store: str,
    others: tuple[int, ...],
    is_told: bool,
) -> None:
    """Where several processes serve the app, limits are not what they say; the last one tells."""
    monkeypatch.setattr(asgi, "siblings", lambda _root, _pid, _parent: others)
    settings = Settings.model_validate({"state_dir": tmp_path, "counters": {"store": store}})
    app = FastAPI()
    app.add_middleware(OptimizerMiddleware, settings=settings)
    await Lifespan().run(app)
    assert ("3 processes serve this app" in caplog.text) is is_told


async def test_two_apps_of_a_process_may_have_one_state_directory(tmp_path: Path) -> None:
    """As in the tests of an app that makes one for each test; keys and counters are theirs both."""
    with closing(open_key_table(tmp_path)):
        pass
    settings = Settings.model_validate(
        {
            "state_dir": tmp_path,
            "counters": {"store": "node"},
            "tiers": {"free": "3/minute"},
        }
    )
    apps = []
    for _ in range(2):
        app = FastAPI()
        app.add_middleware(OptimizerMiddleware, settings=settings)
        app.get("/")(lambda: "ok")
        apps.append(app)
    assert await statuses(apps[0], "/", 2) == [200, 200]
    assert await statuses(apps[1], "/", 2) == [200, 429]


@pytest.mark.parametrize("mounted", [False, True])
async def test_one_middleware_inside_another_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, mounted: bool
) -> None:
    """Both count each request, which nobody means: it was added twice, or to a mounted app too."""
    settings = Settings(state_dir=tmp_path)
    inner = FastAPI()
    inner.get("/")(lambda: "ok")
    inner.add_middleware(OptimizerMiddleware, settings=settings)
    outer = inner
    if mounted:
        outer = FastAPI()
        outer.mount("/inner", inner)
    await Lifespan().run(outer)
    await statuses(outer, "/", 1)
    assert "two OptimizerMiddlewares" not in caplog.text
    outer = FastAPI() if mounted else inner
    outer.middleware_stack = None
    outer.add_middleware(OptimizerMiddleware, settings=settings)
    if mounted:
        outer.mount("/inner", inner)
    await Lifespan().run(outer)
    await statuses(outer, "/inner/" if mounted else "/", 1)
    assert "two OptimizerMiddlewares" in caplog.text
