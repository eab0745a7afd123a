"""CORS, fields, paths and redirects as settings, through the pipeline of a hub."""

from pathlib import Path

from lukhas.config.settings import Settings
from lukhas.http.headers import HeaderPairs, Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.hub.hub import Hub
from lukhas.pipeline.exchange import Exchange

SETTINGS = {
    "headers": {
        "set_request": ["X-Team: shop"],
        "add_response": ["X-More: 1"],
        "remove_response": ["X-Old"],
        "security": True,
        "hsts_s": 60,
    },
    "cors": {"mode": "enforce", "origins": ["https://app.test"]},
    "routes": [
        {
            "name": "items",
            "path": "/items/{id}",
            "rewrite": "/v2/{id}",
            "set_response_headers": ["X-Frame-Options: SAMEORIGIN"],
            "remove_request_headers": ["X-Debug"],
            "limits": "1/hour",
        },
        {"name": "old", "path": "/old/{id}", "redirect": "/items/{id}", "redirect_status": 301},
        {"name": "own", "path": "/own", "cors": "off"},
    ],
}


class Asked:
    """A hub, and what its handler saw."""

    def __init__(self, folder: Path, settings: dict[str, object]) -> None:
        self.hub = Hub(Settings.model_validate(settings | {"state_dir": folder}))
        self.run = self.hub.pipeline.around(self._handle)
        self.seen: list[RequestHead] = []

    async def _handle(self, exchange: Exchange) -> Response:
        self.seen.append(exchange.head)
        told = [
            (b"server", b"x"),
            (b"x-old", b"1"),
            (b"access-control-allow-origin", b"*"),
        ]
        return Response(200, Headers(told), b"ok")

    async def ask(
        self, path: bytes, headers: HeaderPairs | None = None, method: str = "GET"
    ) -> tuple[Response, dict[bytes, bytes]]:
        head = RequestHead(method, "https", b"api.test", path, b"", Headers(headers or []))
        exchange = self.hub.intake.exchange(head, "192.0.2.1")
        response = await self.run(exchange)
        return response, dict(response.headers.raw) | dict(exchange.added)


async def test_settings_become_what_they_say(tmp_path: Path) -> None:
    """Towards the origin and back."""
    asked = Asked(tmp_path, SETTINGS)
    _response, told = await asked.ask(b"/items/7", [(b"x-debug", b"1"), (b"x-team", b"mine")])
    (head,) = asked.seen
    assert (head.path, head.headers.raw) == (b"/v2/7", [(b"x-team", b"shop")])
    assert told[b"x-frame-options"] == b"SAMEORIGIN"
    assert told[b"x-content-type-options"] == b"nosniff"
    assert told[b"strict-transport-security"] == b"max-age=60"
    assert told[b"x-more"] == b"1"
    assert told.keys().isdisjoint({b"server", b"x-old", b"access-control-allow-origin"})


async def test_a_refusal_can_be_read_by_a_page(tmp_path: Path) -> None:
    """A preflight counts for nothing, and a 429 says which origin may read it."""
    asked = Asked(tmp_path, SETTINGS)
    origin = (b"origin", b"https://app.test")
    for _ in range(3):
        response, told = await asked.ask(
            b"/items/7", [origin, (b"access-control-request-method", b"GET")], "OPTIONS"
        )
        assert response.status == 204
    assert (await asked.ask(b"/items/7", [origin]))[0].status == 200
    response, told = await asked.ask(b"/items/7", [origin])
    assert response.status == 429
    assert told[b"access-control-allow-origin"] == b"https://app.test"
    _response, told = await asked.ask(b"/own", [origin])
    assert told[b"access-control-allow-origin"] == b"*"


async def test_a_redirect_asks_no_origin(tmp_path: Path) -> None:
    """It is answered here."""
    asked = Asked(tmp_path, SETTINGS)
    response, told = await asked.ask(b"/old/7")
    assert (response.status, told[b"location"], asked.seen) == (301, b"/items/7", [])


def test_without_settings_there_are_no_stages(tmp_path: Path) -> None:
    """What is not asked for costs nothing."""
    names = [stage.name for stage in Asked(tmp_path, {}).hub.pipeline.stages]
    assert names == ["observe", "route", "identify", "limit", "cache"]
    names = [stage.name for stage in Asked(tmp_path, SETTINGS).hub.pipeline.stages]
    assert names == [
        *("observe", "route", "cors", "identify", "limit"),
        *("redirect", "cache", "transform"),
    ]
