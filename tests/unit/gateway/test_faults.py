"""Failures of upstreams, as clients are told of them."""

import errno
import json
import socket
import ssl

import pytest

from lukhas.errors import HandlerError, UpstreamConnectError, UpstreamError, UpstreamProtocolError
from lukhas.gateway.faults import FaultStage
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.units import SECOND_NS

PLACE = "cannot connect to orders.internal:8443: it is away"


def connect_error(cause: BaseException | None) -> UpstreamError:
    error = UpstreamConnectError("orders", PLACE, sent=False)
    error.__cause__ = cause
    return error


async def told(error: UpstreamError) -> tuple[str, Exchange]:
    """What the problem says, and the exchange with its verdicts."""
    head = RequestHead("GET", "http", b"a.example", b"/", b"", Headers([]))
    exchange = Exchange(head, "10.0.0.1", 0, b"id")

    async def fails(_exchange: Exchange) -> Response:
        raise HandlerError(error)

    answer = await FaultStage()(exchange, fails)
    assert answer.status == 502
    assert isinstance(answer.body, bytes)
    return json.loads(answer.body)["detail"], exchange


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (
            OSError(errno.ECONNREFUSED, "Connect call failed ('10.1.2.3', 8443)"),
            "cannot be reached (Connection refused)",
        ),
        (OSError("Multiple exceptions: ('10.1.2.3', 8443)"), "cannot be reached"),
        (socket.gaierror(-2, "Name or service not known"), "its name is not known"),
        (
            ssl.SSLCertVerificationError(1, "certificate is not valid for 'orders.internal'"),
            "no TLS connection comes about",
        ),
        (None, "cannot be reached"),
    ],
)
async def test_clients_are_not_told_where_servers_are(
    cause: BaseException | None, reason: str
) -> None:
    """The address is for the operator: it stands in the verdict, and so in the record."""
    detail, exchange = await told(connect_error(cause))
    assert detail == f"Upstream 'orders': {reason}."
    assert PLACE in str(exchange.verdicts[0])


async def test_clients_are_told_what_else_is_wrong() -> None:
    """What an upstream did wrong names no server."""
    detail, _ = await told(UpstreamProtocolError("orders", "closed the connection", sent=True))
    assert detail == "Upstream 'orders': closed the connection."


async def test_the_log_is_told_but_not_of_each(caplog: pytest.LogCaptureFixture) -> None:
    """Once in half a minute for each upstream, with the place, which clients are not told."""
    stage = FaultStage()
    head = RequestHead("GET", "http", b"a.example", b"/", b"", Headers([]))
    moments = [("orders", 0), ("orders", 1), ("bills", 2), ("orders", 29), ("orders", 30)]
    moments += [("orders", 59), ("bills", 62)]
    for upstream, second in moments:
        error = UpstreamConnectError(upstream, PLACE, sent=False)

        async def fails(_exchange: Exchange, error: UpstreamError = error) -> Response:
            raise HandlerError(error)

        await stage(Exchange(head, "10.0.0.1", second * SECOND_NS, b"id"), fails)
    assert [record.getMessage() for record in caplog.records] == [
        f"upstream 'orders' failed: {PLACE}",
        f"upstream 'bills' failed: {PLACE}",
        f"upstream 'orders' failed: {PLACE}; 2 more since the last such line",
        f"upstream 'bills' failed: {PLACE}",
    ]
    assert {record.request_id for record in caplog.records} == {"id"}  # type: ignore[attr-defined]
