"""The watch over calls that take too long."""

import asyncio

from lukhas.storage.redis_calls import Call, DeadlineWatch


async def test_overdue_calls_are_given_up_and_others_are_not() -> None:
    """In their order, each once, and those that are done not at all."""
    loop = asyncio.get_running_loop()
    given_up: list[Call] = []
    ended = asyncio.Event()

    def give_up(call: Call) -> None:
        given_up.append(call)
        call.fail(TimeoutError())
        call.future.exception()
        if call is calls[-1]:
            ended.set()

    watch = DeadlineWatch(loop, 0.01, give_up)
    calls = [Call(b"", loop.create_future()) for _ in range(4)]
    for call in calls:
        watch.add(call)
    calls[1].future.set_result(None)
    await ended.wait()
    assert given_up == [calls[0], calls[2], calls[3]]
    assert all(call.deadline_s == 0.01 for call in calls)


async def test_a_watch_with_nothing_to_do_has_no_timer() -> None:
    """Nothing ticks while nothing is asked."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    watch = DeadlineWatch(loop, 0.001, lambda _: done.set())
    watch.add(Call(b"", loop.create_future()))
    await done.wait()
    await asyncio.sleep(0)
    assert watch._timer is None


async def test_a_closed_watch_gives_up_nothing() -> None:
    """Also if it never had anything to watch."""
    loop = asyncio.get_running_loop()
    DeadlineWatch(loop, 0.001, lambda _: None).close()
    given_up: list[Call] = []
    watch = DeadlineWatch(loop, 0.001, given_up.append)
    watch.add(Call(b"", loop.create_future()))
    watch.close()
    await asyncio.sleep(0.005)
    assert given_up == []


async def test_a_call_fails_once() -> None:
    """What came first stands."""
    call = Call(b"", asyncio.get_running_loop().create_future())
    call.future.set_result(1)
    call.fail(TimeoutError())
    assert await call.future == 1
