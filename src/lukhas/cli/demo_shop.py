"""The example API of `lukhas demo`: a small shop, as a plain ASGI application."""

import asyncio
import hashlib
import itertools
import json
import os
import random
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

__all__ = ("ShopApp", "main")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_KINDS = ("lamp", "chair", "desk", "shelf", "rug", "clock")
_COLOURS = ("ash", "blue", "coral", "green", "oak", "white")
_MAX_BODY = 16_384
_MAX_EVENTS = 600
_FAILURE_SHARE = 0.3
PRODUCTS = tuple(
    {
        "id": number,
        "name": f"{_COLOURS[number % 6].title()} {_KINDS[number // 6 % 6]}",
        "category": _KINDS[number // 6 % 6],
        "price": round(9.5 + number * 7 % 240, 2),
        "stock": number * 13 % 50,
    }
    for number in range(1, 121)
)


class ShopApp:
    """Products, a cart, a slow report, a stream of orders and an endpoint that often fails.

    Args:
        report_s: how long the report takes.
        order_interval_s: how long it is from one order in the stream to the next.
        seed: for its failures.
    """

    def __init__(
        self, *, report_s: float = 0.8, order_interval_s: float = 1.0, seed: int = 1
    ) -> None:
        self._report_s = report_s
        self._order_interval_s = order_interval_s
        self._random = random.Random(seed)  # noqa: S311 - made-up failures
        self._carts = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        method, path = scope["method"], scope["path"]
        if path == "/orders/stream":
            await self._stream_orders(receive, send)
        elif path == "/cart" and method == "POST":
            await self._add_to_cart(receive, send)
        elif method not in {"GET", "HEAD"}:
            await _answer(send, 405, {"title": "Method Not Allowed"}, [(b"allow", b"GET, HEAD")])
        elif path == "/products":
            await _list_products(scope, send)
        elif path.startswith("/products/"):
            await _show_product(scope, send)
        elif path == "/reports/sales":
            await self._report(send)
        elif path == "/unstable":
            await self._fail_often(send)
        else:
            await _answer(send, 404, {"title": "Not Found", "detail": f"There is no {path}."})

    async def _report(self, send: Send) -> None:
        await asyncio.sleep(self._report_s)
        totals: dict[str, float] = {}
        for product in PRODUCTS:
            kind = str(product["category"])
            totals[kind] = totals.get(kind, 0.0) + float(str(product["price"]))
        rounded = {kind: round(total, 2) for kind, total in totals.items()}
        await _answer(send, 200, {"sales": rounded}, [(b"cache-control", b"public, max-age=20")])

    async def _fail_often(self, send: Send) -> None:
        if self._random.random() < _FAILURE_SHARE:
            status = self._random.choice((500, 503))
            await _answer(send, status, {"title": "The warehouse does not answer"})
            return
        await _answer(send, 200, {"warehouse": "ok"}, [(b"cache-control", b"no-store")])

    async def _add_to_cart(self, receive: Receive, send: Send) -> None:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if len(body) > _MAX_BODY:
                await _answer(send, 413, {"title": "Content Too Large"})
                return
            if not message.get("more_body", False):
                break
        try:
            wanted = json.loads(body)
            product = PRODUCTS[int(wanted["product"]) - 1]
            quantity = int(wanted.get("quantity", 1))
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            detail = 'Send {"product": 1 to 120, "quantity": 1}.'
            await _answer(send, 422, {"title": "Unprocessable Content", "detail": detail})
            return
        cart = next(self._carts)
        total = round(float(str(product["price"])) * quantity, 2)
        location = (b"location", f"/cart/{cart}".encode())
        added = {"cart": cart, "product": product["name"], "quantity": quantity, "total": total}
        await _answer(send, 201, added, [location, (b"cache-control", b"no-store")])

    async def _stream_orders(self, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        gone = asyncio.ensure_future(_disconnected(receive))
        for number in range(_MAX_EVENTS):
            product = PRODUCTS[number * 17 % len(PRODUCTS)]
            order = json.dumps({"order": number + 1, "product": product["name"]})
            event = f"id: {number + 1}\nevent: order\ndata: {order}\n\n".encode()
            await send({"type": "http.response.body", "body": event, "more_body": True})
            await asyncio.wait([gone], timeout=self._order_interval_s)
            if gone.done():
                return
        gone.cancel()
        await send({"type": "http.response.body", "body": b""})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _list_products(scope: Scope, send: Send) -> None:
    query = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()}
    try:
        most = float(query.get("max_price", "inf"))
        page, size = max(1, int(query.get("page", 1))), min(50, max(1, int(query.get("size", 20))))
    except ValueError:
        detail = "max_price, page and size are numbers."
        await _answer(send, 400, {"title": "Bad Request", "detail": detail})
        return
    found = [
        product
        for product in PRODUCTS
        if query.get("category") in {None, product["category"]}
        and float(str(product["price"])) <= most
    ]
    if query.get("sort") == "price":
        found.sort(key=lambda product: float(str(product["price"])))
    items = found[(page - 1) * size : page * size]
    answer = {"total": len(found), "page": page, "items": items}
    await _answer(send, 200, answer, [(b"cache-control", b"public, max-age=30")])


async def _show_product(scope: Scope, send: Send) -> None:
    number = scope["path"].removeprefix("/products/")
    if not number.isascii() or not number.isdigit() or not 1 <= int(number[:6]) <= len(PRODUCTS):
        await _answer(send, 404, {"title": "Not Found", "detail": "There is no such product."})
        return
    product = PRODUCTS[int(number) - 1]
    etag = b'"' + hashlib.sha256(json.dumps(product).encode()).hexdigest()[:16].encode() + b'"'
    headers = [(b"etag", etag), (b"cache-control", b"public, max-age=60")]
    if etag in [value for name, value in scope["headers"] if name == b"if-none-match"]:
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    await _answer(send, 200, product, headers)


async def _answer(
    send: Send,
    status: int,
    content: object,
    headers: list[tuple[bytes, bytes]] | None = None,
) -> None:
    body = json.dumps(content).encode()
    kind = b"application/json" if status < 400 else b"application/problem+json"
    fields = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send(
        {"type": "http.response.start", "status": status, "headers": [*fields, *(headers or [])]}
    )
    await send({"type": "http.response.body", "body": body})


async def _serve(listening: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(
        ShopApp(), log_level="warning", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    loop = asyncio.get_running_loop()

    def parent_gone() -> None:
        # The parent keeps our standard input open as long as it lives.
        if not os.read(sys.stdin.fileno(), 1):
            loop.remove_reader(sys.stdin)
            server.should_exit = True

    loop.add_reader(sys.stdin, parent_gone)
    await server.serve(sockets=[listening])


def main(descriptor: int) -> None:
    """Serves the shop on an inherited listening socket until the parent process ends."""
    with socket.socket(fileno=descriptor) as listening:
        asyncio.run(_serve(listening))


if __name__ == "__main__":
    main(int(sys.argv[1]))
