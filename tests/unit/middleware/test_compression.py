"""Compression around an app: its pieces, and files that a server would send by itself."""

from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import FileResponse, StreamingResponse
from starlette.routing import Route

from lukhas.middleware.asgi import OptimizerMiddleware
from lukhas.pipeline.stages.compress import CompressStage, NegotiateStage
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.compression import CompressionPolicy
from lukhas.policy.modes import Mode
from lukhas.policy.routing.routes import RouteRule
from tests.unit.middleware.kit import HandClock, Wire, call, http_scope, make_pipeline
from tests.unit.pipeline.decoding import decoded

TEXT = b"a line of text that repeats itself\n" * 200
FILES: dict[str, dict[str, object]] = {
    "http.response.pathsend": {},
    "http.response.zerocopysend": {},
    "other": {},
}


def compressing(app: Any, mode: Mode = Mode.ENFORCE) -> OptimizerMiddleware:
    rule = RouteRule("all", "*", CachePolicy(mode=Mode.OFF), compression=CompressionPolicy(mode))
    clock = HandClock()
    pipeline = make_pipeline(clock, rules=[rule], inner=[NegotiateStage(), CompressStage()])
    return OptimizerMiddleware(app, pipeline=pipeline, clock=clock)


async def asked(app: Any, **scope: Any) -> Wire:
    headers = [(b"host", b"test"), (b"accept-encoding", b"gzip;q=0.9, deflate")]
    return await call(app, http_scope(headers=headers, **scope))


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.OFF])
async def test_a_file_is_sent_through_the_coding(tmp_path: Path, mode: Mode) -> None:
    """Where it may be encoded, the app does not hear that the server could read it itself."""
    file = tmp_path / "file.txt"
    file.write_bytes(TEXT)
    seen = []

    async def endpoint(request: Any) -> FileResponse:
        seen.append(set(request.scope["extensions"]))
        return FileResponse(file)

    app = compressing(Starlette(routes=[Route("/", endpoint)]), mode)
    given = dict(FILES)
    wire = await asked(app, extensions=given)
    assert given == FILES
    coding = dict(wire.headers).get(b"content-encoding")
    if mode is Mode.ENFORCE:
        assert (seen, coding) == ([{"other"}], b"gzip")
        assert decoded(wire.body, b"gzip") == (TEXT, True)
    else:
        assert (seen, coding, wire.kinds) == ([set(FILES)], None, ["start", "pathsend"])


@pytest.mark.parametrize("extensions", [None, {}, {"other": {}}])
async def test_other_extensions_stay(extensions: dict[str, Any] | None) -> None:
    """And the pieces of a body are encoded as they come."""
    seen = []

    async def endpoint(request: Any) -> StreamingResponse:
        seen.append((request.scope.get("extensions"), request.headers["accept-encoding"]))
        return StreamingResponse(iter([TEXT, TEXT]), media_type="text/plain")

    app = compressing(Starlette(routes=[Route("/", endpoint)]))
    wire = await asked(app, **({} if extensions is None else {"extensions": extensions}))
    assert seen == [(extensions, "gzip")]
    assert decoded(wire.body, b"gzip") == (TEXT * 2, True)


async def test_an_app_that_fails_half_way_makes_no_valid_end() -> None:
    """Nobody may take the body for whole."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        typed = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": typed})
        await send({"type": "http.response.body", "body": TEXT, "more_body": True})
        raise LookupError("half way")

    wire = Wire()
    scope = http_scope(headers=[(b"host", b"test"), (b"accept-encoding", b"gzip")])
    with pytest.raises(LookupError):
        await compressing(app)(scope, wire.receive, wire.send)
    assert (b"content-encoding", b"gzip") in wire.headers
    assert not decoded(wire.body, b"gzip")[1]
    assert all(message.get("more_body") for message in wire.sent[1:])
