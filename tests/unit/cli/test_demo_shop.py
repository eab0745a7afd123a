"""The example shop answers like a small real API."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from lukhas.cli.demo_shop import ShopApp


@pytest.fixture
def shop() -> httpx.AsyncClient:
    """A client of the shop, without a network."""
    transport = httpx.ASGITransport(app=ShopApp(report_s=0))
    return httpx.AsyncClient(transport=transport, base_url="http://shop")


async def test_products_are_filtered_sorted_and_paged(shop: httpx.AsyncClient) -> None:
    """Filters narrow, pages cut, and everybody may cache the list."""
    answer = await shop.get("/products", params={"category": "lamp", "sort": "price", "size": "5"})
    assert answer.headers["cache-control"] == "public, max-age=30"
    content = answer.json()
    prices = [item["price"] for item in content["items"]]
    assert len(prices) == 5
    assert prices == sorted(prices)
    assert {item["category"] for item in content["items"]} == {"lamp"}
    cheap = (await shop.get("/products", params={"max_price": "20"})).json()
    assert 0 < cheap["total"] < 120
    assert (await shop.get("/products", params={"page": "two"})).status_code == 400


async def test_a_product_can_be_revalidated(shop: httpx.AsyncClient) -> None:
    """RFC 9110 section 13.1.2: the entity tag gives 304; what is not there gives 404."""
    answer = await shop.get("/products/7")
    assert answer.headers["cache-control"] == "public, max-age=60"
    again = await shop.get("/products/7", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for missing in ("/products/0", "/products/121", "/products/x", "/nowhere"):
        assert (await shop.get(missing)).status_code == 404


async def test_the_cart_takes_orders(shop: httpx.AsyncClient) -> None:
    """A good order gives 201, a wrong one 422, a huge one 413; other methods 405."""
    good = await shop.post("/cart", json={"product": 3, "quantity": 2})
    assert good.status_code == 201
    assert good.headers["location"].startswith("/cart/")
    for wrong in (b"", b"[]", b'{"product": 121}', b'{"product": "x"}', b"\xff"):
        assert (await shop.post("/cart", content=wrong)).status_code == 422
    assert (await shop.post("/cart", content=b"x" * 20_000)).status_code == 413
    assert (await shop.delete("/products")).status_code == 405


async def test_the_report_and_the_warehouse_answer(shop: httpx.AsyncClient) -> None:
    """The report may be cached; the warehouse fails now and then, never for good."""
    assert "public" in (await shop.get("/reports/sales")).headers["cache-control"]
    statuses = {(await shop.get("/unstable")).status_code for _ in range(100)}
    assert 200 in statuses
    assert statuses & {500, 503}
    assert statuses <= {200, 500, 503}


async def test_orders_stream_until_the_client_leaves() -> None:
    """Events come one by one; the stream ends when the client is gone."""
    gone = asyncio.Event()
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) == 4:
            gone.set()

    scope = {"type": "http", "method": "GET", "path": "/orders/stream"}
    await ShopApp(order_interval_s=0)(scope, receive, send)
    assert sent[0]["headers"][0] == (b"content-type", b"text/event-stream")
    data = sent[1]["body"].decode().split("data: ")[1]
    assert json.loads(data)["order"] == 1
    assert len(sent) < 20


async def test_other_scopes_are_left_alone() -> None:
    """Only HTTP is answered."""

    async def never(*_: Any) -> Any:
        raise AssertionError

    await ShopApp()({"type": "websocket"}, never, never)
