"""Calls: what comes of them reaches who waits at once, or a coroutine that is made for it."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from lukhas.errors import UpstreamProtocolError
from lukhas.gateway.direct_call import Answer, DirectCall
from lukhas.gateway.outbox import Outbox
from lukhas.gateway.plain_answers import PlainAnswers
from lukhas.gateway.upstream_connection import UpstreamConnection, UpstreamTimeouts
from lukhas.http.headers import HeaderPairs
from lukhas.http.messages import Response
from lukhas.pipeline.driving import Waiting, start
from lukhas.pipeline.exchange import Exchange
from tests.unit.gateway.transport_kit import Transport, called

PLAIN = b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n\r\nab"
PARSED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"
BROKEN = b"nonsense\r\n\r\n"


class Layer:
    """Lets answers pass or not, and keeps a log of what it sees."""

    def __init__(
        self, name: str, log: list[str], *, lets: bool = True, fails: bool = False
    ) -> None:
        self.name = name
        self.log = log
        self.lets = lets
        self.fails = fails

    def passes(self, _exchange: Exchange, answer: Answer, body: bytes) -> bool:
        self.log.append(f"{self.name} sees {answer.status} {body.decode()}")
        if self.fails:
            raise ValueError(self.name)
        return self.lets

    async def around(self, _exchange: Exchange, inner: Awaitable[Response]) -> Response:
        try:
            response = await inner
        except Exception as error:
            self.log.append(f"around {self.name}: {error!r}")
            raise
        self.log.append(f"around {self.name}: {response.status}")
        return response


class Waits:
    """Who waits for a call."""

    def __init__(self, *, fails: bool = False) -> None:
        self.answers: list[tuple[Exchange, int, bytes]] = []
        self.resumed = 0
        self.interim: list[int] = []
        self.fails = fails

    def take_answer(self, exchange: Exchange, answer: Answer, body: bytes) -> None:
        if self.fails:
            raise OSError("gone")
        self.answers.append((exchange, answer.status, body))

    def resume(self) -> None:
        if self.fails:
            raise OSError("gone")
        self.resumed += 1

    def relay_interim(self, status: int, _fields: HeaderPairs) -> None:
        self.interim.append(status)


class Asked:
    """A call on a connection whose other end is a test."""

    def __init__(self, *layers: Layer, waits: Waits | None = None, method: str = "GET") -> None:
        loop = asyncio.get_running_loop()
        self.freed = 0
        self.transport = Transport()
        self.connection = UpstreamConnection(
            loop,
            "origin",
            UpstreamTimeouts(),
            Outbox(loop),
            PlainAnswers(),
            on_free=self._free,
            on_gone=lambda _: None,
        )
        self.connection.connection_made(self.transport)
        self.call: DirectCall = called(self.connection, method)
        self.call.layers += layers
        self.call.taker = waits

    def _free(self, _connection: object) -> None:
        self.freed += 1

    def comes(self, data: bytes) -> None:
        self.connection.data_received(data)

    @property
    def tally(self) -> tuple[int, int, int]:
        tally = self.call.sender.tally
        return tally.answers, tally.faults, tally.failures


# -- who waits is told at once -------------------------------------------------------------------


@pytest.mark.parametrize("data", [PLAIN, PARSED])
async def test_a_whole_answer_reaches_who_waits_in_the_same_call(data: bytes) -> None:
    """Past the layers, innermost first; it is counted, and the connection is free."""
    log: list[str] = []
    waits = Waits()
    asked = Asked(Layer("inner", log), Layer("outer", log), waits=waits)
    asked.comes(data)
    assert waits.answers == [(asked.call.exchange, 200, b"ab")]
    assert log == ["inner sees 200 ab", "outer sees 200 ab"]
    assert (waits.resumed, asked.freed, asked.tally) == (0, 1, (1, 0, 0))


async def test_faults_are_counted() -> None:
    """Whole or in pieces, whoever waits."""
    for data in (PLAIN, STREAM):
        for waits in (Waits(), None):
            asked = Asked(waits=waits)
            asked.comes(data.replace(b"200 OK", b"503 X"))
            assert asked.tally == (1, 1, 0)


async def test_a_layer_that_does_more_takes_over_as_a_coroutine() -> None:
    """Those inside it are done, and those outside it are around it."""
    log: list[str] = []
    waits = Waits()
    asked = Asked(
        Layer("a", log), Layer("b", log, lets=False), Layer("c", log, lets=False), waits=waits
    )
    asked.comes(PLAIN)
    assert (waits.answers, waits.resumed) == ([], 1)
    response = start(asked.call)
    assert isinstance(response, Response)
    assert (response.body, response.ready_head is None) == (b"ab", False)
    assert log == ["a sees 200 ab", "b sees 200 ab", "around b: 200", "around c: 200"]
    assert asked.tally == (1, 0, 0)


async def test_an_answer_of_the_parser_stays_what_it_is() -> None:
    """Where a layer does more with it."""
    asked = Asked(Layer("a", [], lets=False), waits=Waits())
    asked.comes(PARSED)
    response = start(asked.call)
    assert isinstance(response, Response)
    assert (response.body, response.ready_head) == (b"ab", None)


async def test_a_layer_that_fails_is_met_by_those_around_it() -> None:
    """And by who waits, if there are none."""
    log: list[str] = []
    asked = Asked(Layer("a", log), Layer("b", log, fails=True), Layer("c", log), waits=Waits())
    asked.comes(PLAIN)
    with pytest.raises(ValueError, match="b"):
        start(asked.call)
    assert log == ["a sees 200 ab", "b sees 200 ab", "around c: ValueError('b')"]


@pytest.mark.parametrize("data", [STREAM, BROKEN])
async def test_other_outcomes_resume_who_waits(data: bytes) -> None:
    """With the coroutine of all layers, in which the outcome is there."""
    log: list[str] = []
    waits = Waits()
    asked = Asked(Layer("a", log), Layer("b", log), waits=waits)
    asked.comes(data)
    assert (waits.answers, waits.resumed) == ([], 1)
    if data is BROKEN:
        with pytest.raises(UpstreamProtocolError):
            start(asked.call)
        assert asked.tally == (0, 0, 1)
    else:
        response = start(asked.call)
        assert isinstance(response, Response)
        assert asked.tally == (1, 0, 0)
        response.on_close()  # type: ignore[misc]  # There is more to come, which nobody wants.
        assert asked.transport.aborted
    assert [line[:8] for line in log] == ["around a", "around b"]


@pytest.mark.parametrize("data", [PLAIN, STREAM])
async def test_a_failure_of_who_waits_is_not_that_of_the_connection(data: bytes) -> None:
    """The loop is told."""
    contexts: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: contexts.append(context))
    Asked(waits=Waits(fails=True)).comes(data)
    loop.set_exception_handler(None)
    (context,) = contexts
    assert isinstance(context["exception"], OSError)


async def test_interim_responses_reach_who_waits() -> None:
    """Also one who does not know of calls; and nobody where nobody wants them."""
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    waits = Waits()
    asked = Asked(waits=waits)
    asked.comes(early + PLAIN)
    assert (waits.interim, len(waits.answers)) == ([103], 1)
    seen: list[int] = []
    asked = Asked()
    asked.call.exchange.relay_interim = lambda status, _fields: seen.append(status)
    asked.comes(early)
    Asked().comes(early)
    assert seen == [103]


# -- a coroutine for everybody else --------------------------------------------------------------


@pytest.mark.parametrize("is_early", [True, False])
async def test_a_call_may_be_awaited(is_early: bool) -> None:
    """Before and after its answer, with its layers around it."""
    log: list[str] = []
    asked = Asked(Layer("a", log))
    if is_early:
        asked.comes(PLAIN)
    else:
        asyncio.get_running_loop().call_soon(asked.comes, PLAIN)
    assert (await asked.call).body == b"ab"
    assert log == ["around a: 200"]
    assert asked.tally == (1, 0, 0)


async def test_an_awaited_call_may_fail() -> None:
    """Also when it was awaited before."""
    asked = Asked()
    asyncio.get_running_loop().call_soon(asked.connection.connection_lost, None)
    with pytest.raises(UpstreamProtocolError):
        await asked.call
    assert asked.tally == (0, 0, 1)


async def test_a_call_may_be_a_task() -> None:
    """And be driven as a run: it is a coroutine."""
    asked = Asked()
    task = asyncio.create_task(asked.call)
    await asyncio.sleep(0)
    asked.comes(PLAIN)
    assert (await task).body == b"ab"
    asked = Asked()
    assert isinstance(start(asked.call), Waiting)
    asked.comes(PLAIN)
    response = start(asked.call)
    assert isinstance(response, Response)
    assert response.body == b"ab"


async def test_a_call_that_is_given_up_ends_with_its_connection() -> None:
    """By who waits and by who drives it, as a coroutine that is cancelled or closed."""
    for is_started in (True, False):
        log: list[str] = []
        asked = Asked(Layer("a", log), waits=None if is_started else Waits())
        if is_started:
            start(asked.call)
        with pytest.raises(asyncio.CancelledError):
            asked.call.throw(asyncio.CancelledError())
        assert asked.transport.aborted
        asked = Asked(waits=None if is_started else Waits())
        if is_started:
            start(asked.call)
        asked.call.close()
        assert asked.transport.aborted
        assert asked.tally == (0, 0, 0)


async def test_a_call_that_is_given_up_may_get_an_error_of_any_form() -> None:
    """As coroutines do."""
    asked = Asked()
    with pytest.raises(KeyError):
        asked.call.throw(KeyError, KeyError("a"))


async def test_a_call_that_is_given_up_with_its_outcome_frees_that() -> None:
    """An answer is let go, and an error is nobody's."""
    asked = Asked()
    asked.comes(STREAM)
    asked.call.close()
    assert asked.transport.aborted
    asked = Asked()
    asked.comes(BROKEN)
    asked.call.close()
    assert asked.tally == (0, 0, 1)


@pytest.mark.parametrize("data", [PLAIN, STREAM])
async def test_an_answer_to_a_task_that_was_just_cancelled_is_nobodys(data: bytes) -> None:
    """If it is whole the connection goes on, else it ends."""
    asked = Asked()
    task = asyncio.create_task(asked.call)
    await asyncio.sleep(0)
    task.cancel()
    asked.comes(data)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asked.transport.aborted is (data is STREAM)
    assert asked.freed == (data is PLAIN)


async def test_a_failure_after_a_cancellation_is_nobodys() -> None:
    """As the task ends in any case."""
    asked = Asked()
    task = asyncio.create_task(asked.call)
    await asyncio.sleep(0)
    task.cancel()
    asked.connection.connection_lost(None)
    with pytest.raises(asyncio.CancelledError):
        await task


# -- deadlines -----------------------------------------------------------------------------------


async def test_the_time_for_an_answer_begins_with_the_first_look() -> None:
    """And not before: a loop that was late takes nothing of it."""
    waits = Waits()
    asked = Asked(waits=waits)
    asked.connection.check_deadline(1000.0)
    asked.connection.check_deadline(1029.0)
    assert waits.resumed == 0
    asked.connection.check_deadline(1030.0)
    assert waits.resumed == 1
    with pytest.raises(Exception, match="no response in time"):
        start(asked.call)


async def test_no_time_runs_for_an_idle_connection() -> None:
    """Once its answer is there."""
    asked = Asked(waits=Waits())
    asked.comes(PLAIN)
    asked.connection.check_deadline(1e9)
    asked.connection.check_deadline(2e9)
    assert not asked.transport.aborted
