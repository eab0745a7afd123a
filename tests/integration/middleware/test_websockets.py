"""Limits on WebSocket connections and their messages, over a loopback socket."""

import json
from pathlib import Path

from fastapi import APIRouter, FastAPI, WebSocket

from lukhas.config.settings import Settings
from lukhas.middleware import OptimizerMiddleware, limit
from tests.integration.middleware.websocket_by_hand import Client, serving


async def test_connections_and_messages_are_limited_over_a_socket(tmp_path: Path) -> None:
    """A close with 1008 for messages, and a 429 in place of the handshake for connections."""
    router = APIRouter(prefix="/v1")

    @router.websocket("/chat")
    @limit("2/minute", cost="messages", name="chat")
    async def chat(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(f"you said {text}")

    app = FastAPI()
    app.include_router(router)
    settings = Settings.model_validate({"state_dir": tmp_path, "tiers": {"free": "2/minute"}})
    middleware = OptimizerMiddleware(app, settings=settings)
    async with serving(middleware) as address:
        async with Client.connect(address, "/v1/chat") as client:
            assert client.status == 101
            assert client.headers["ratelimit-policy"] == '"free-minute";q=2;w=60'
            assert client.headers["ratelimit"].startswith('"free-minute";r=1')
            assert [await client.say(text) for text in ("a", "b")] == ["you said a", "you said b"]
            closed = await client.say("c")
            assert isinstance(closed, tuple)
            assert closed[0] == 1008
            assert closed[1].startswith("over the limit chat, try again in ")
        async with Client.connect(address, "/v1/chat") as client:
            assert client.status == 101
        async with Client.connect(address, "/v1/chat") as client:
            assert client.status == 429
            assert int(client.headers["retry-after"]) >= 1
            assert json.loads(await client.body())["policy"] == "tier-free"
    await middleware._close()
