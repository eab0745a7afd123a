"""lukhas.pipeline.stages.cache_flights."""

import asyncio

import pytest

from lukhas.pipeline.stages.cache_flights import FlightEnd, FlightKey, Flights

KEY: FlightKey = (("http", b"a.example", b"/", b"", ""), 0)


def numbered(number: int) -> FlightKey:
    return (KEY[0], 1 + number)


def test_only_the_first_end_counts() -> None:
    """And no flight at all has no end."""
    flights = Flights(1)
    flight = flights.begin(KEY, 0)
    flights.end(flight, FlightEnd.STORED)
    flights.end(flight, FlightEnd.STORED)
    flights.end(None, FlightEnd.STORED)
    assert len(flights) == 0


def test_a_later_flight_is_not_ended_by_an_earlier_one() -> None:
    """After an invalidation two fetches of one key may be on their way."""
    flights = Flights(1)
    old = flights.begin(KEY, 0)
    new = flights.begin(KEY, 1)
    flights.end(old, FlightEnd.STORED)
    assert flights.find(KEY) is new


def test_what_cannot_be_shared_is_remembered_for_a_while() -> None:
    """Bounded in time and in number, and until an answer is stored."""
    flights = Flights(1)
    flights.go_alone(KEY, 0)
    assert flights.is_alone(KEY, 29 * 10**9)
    assert not flights.is_alone(KEY, 30 * 10**9)
    flights.share_again(KEY)
    assert not flights.is_alone(KEY, 0)
    for number in range(4097):
        flights.go_alone(numbered(number), 0)
    assert not flights.is_alone(numbered(0), 0)
    assert flights.is_alone(numbered(1), 0)


async def test_an_end_in_the_same_instant_beats_the_limit() -> None:
    """The timer may be due already when the end comes; what the flight brought still counts."""
    flights = Flights(0)
    flight = flights.begin(KEY, 0)
    waiter = asyncio.create_task(flights.wait(flight))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(flights.end, flight, FlightEnd.STORED)
    assert await waiter is FlightEnd.STORED


async def test_r16_a_few_lose_patience_and_a_crowd_does_not() -> None:
    """Where nothing is known about the answers; a crowd is kept off the origin."""
    flights = Flights(60.0, 0.001)
    few, crowd = flights.begin(KEY, 0), flights.begin(numbered(1), 0)
    waiting = [asyncio.create_task(flights.wait(crowd)) for _ in range(13)]
    ends = await asyncio.gather(*(flights.wait(few) for _ in range(12)))
    assert set(ends) == {FlightEnd.NOT_SHARED}
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in waiting)
    flights.end(crowd, FlightEnd.STORED)
    assert set(await asyncio.gather(*waiting)) == {FlightEnd.STORED}


async def test_r16_what_was_shared_before_is_worth_waiting_for() -> None:
    """So is what a rule promises; until an answer shows otherwise."""
    flights = Flights(0.05, 0.001)
    flights.share_again(KEY)
    for flight in (flights.begin(KEY, 0), flights.begin(numbered(1), 0, is_promising=True)):
        assert flight.is_promising
    flights.go_alone(KEY, 0)
    assert not flights.begin(KEY, 0).is_promising


def test_the_memory_of_what_was_shared_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest keys are forgotten first."""
    monkeypatch.setattr("lukhas.pipeline.stages.cache_flights._MAX_ALONE", 2)
    flights = Flights(1)
    for number in range(3):
        flights.share_again(numbered(number))
    assert [flights.begin(numbered(number), 0).is_promising for number in range(3)] == [
        False,
        True,
        True,
    ]


async def test_a_leader_waits_for_another_process_as_its_waiters_would() -> None:
    """Shortly for what is unknown, longer for what is promising or for a crowd; never too long."""
    flights = Flights(60.0, 0.0)
    now_s = asyncio.get_running_loop().time()
    unknown = flights.begin(KEY, 0)
    assert not flights.is_worth_waiting(unknown, now_s)
    crowd = [asyncio.ensure_future(flights.wait(unknown)) for _ in range(13)]
    await asyncio.sleep(0)
    assert flights.is_worth_waiting(unknown, now_s)
    flights.end(unknown, FlightEnd.STORED)
    await asyncio.gather(*crowd)
    promising = flights.begin(KEY, 0, is_promising=True)
    assert flights.is_worth_waiting(promising, now_s)
    assert not flights.is_worth_waiting(promising, now_s - 61)


async def test_while_others_join_nobody_loses_patience() -> None:
    """It may become a crowd, and keeping that off the origin is what waiting is for."""
    loop = asyncio.get_running_loop()
    flights = Flights(60, patience_s=30)
    flight = flights.begin(KEY, 0)
    waiting = asyncio.ensure_future(flights.wait(flight))
    await asyncio.sleep(0)
    (waiter,) = flight.waiters
    flights._lose_patience(flight, waiter)
    assert not waiter.done()
    flight.joined_s = loop.time() - 31
    flights._lose_patience(flight, waiter)
    assert await waiting is FlightEnd.NOT_SHARED
    flights._lose_patience(flight, waiter)


async def test_r16_waiting_for_another_process_is_no_part_of_a_fetch() -> None:
    """Whoever waits for the leader has the whole limit left when it goes to the origin itself."""
    now_s = asyncio.get_running_loop().time()
    flights = Flights(60)
    flight = flights.begin(KEY, 0, is_promising=True)
    waiting = asyncio.ensure_future(flights.wait(flight))
    await asyncio.sleep(0)
    (waiter,) = flight.waiters
    assert flights.is_worth_waiting(flight, now_s)
    flights._give_up(flight, waiter)
    assert not flights.is_worth_waiting(flight, now_s - 61)
    flights._give_up(flight, waiter)
    assert flights.find(KEY) is flight
    assert not waiter.done()
    flight.asked_s = now_s - 61
    flights._give_up(flight, waiter)
    assert flights.find(KEY) is None
    assert await waiting is FlightEnd.NOT_SHARED
    flights._give_up(flight, waiter)
