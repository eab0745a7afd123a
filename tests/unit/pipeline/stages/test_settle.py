"""The settle stage: what a request really cost, and when it is over."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from lukhas.errors import CountersUnavailableError, StoreError
from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.settle import SettleStage
from lukhas.policy.modes import FailureMode, Mode
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.plans import LimitPlan
from lukhas.storage.counters import RemoteCounterStore
from lukhas.storage.guarded_counters import GuardedRemoteCounters
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.testing.clock import ManualClock
from tests.unit.pipeline.kit import NOW_NS
from tests.unit.pipeline.stages.limit_kit import left, named, policy, request, rules_of, stage_of


async def chunks() -> AsyncIterator[bytes]:
    yield b"12345"


def streamed() -> Response:
    return Response(200, Headers([]), chunks())


async def through(
    stage: LimitStage, answer: Response | BaseException, one: Exchange | None = None
) -> Response:
    """What the settle stage passes on; a response not read yet is still on its way."""
    one = one or request()
    refusal = stage.enter(one)
    if refusal is not None and not isinstance(refusal, Response):
        refusal = await refusal
    if refusal is not None:
        return refusal

    async def call_next(_exchange: Exchange) -> Response:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return await SettleStage(stage)(one, call_next)


def fed(response: Response, *pieces: bytes) -> None:
    """Sends a response on to its end."""
    assert response.taps
    for number, piece in enumerate(pieces):
        for tap in response.taps:
            assert tap.feed(piece, last=number == len(pieces) - 1) == piece


async def test_a_place_is_taken_until_the_last_byte() -> None:
    """Two at once; the third gets one when the first has ended."""
    stage = stage_of("", policy("p", "2 concurrent"))
    first, _second = await through(stage, streamed()), await through(stage, streamed())
    refused = await through(stage, streamed())
    assert refused.status == 429
    assert refused.headers.get(b"retry-after") == b"1"
    assert isinstance(refused.body, bytes)
    assert b"window_s" not in refused.body
    assert b"2 requests at once" in refused.body
    fed(first, b"123", b"45")
    assert (await through(stage, streamed())).status == 200
    assert (await through(stage, streamed())).status == 429


async def test_a_whole_body_is_over_at_once() -> None:
    """Nobody has to wait for it."""
    stage = stage_of("", policy("p", "1 concurrent"))
    for _ in range(5):
        assert (await through(stage, Response(200, Headers([]), b"ok"))).status == 200


@pytest.mark.parametrize("ending", ["abort", "close"])
async def test_a_response_that_is_given_up_frees_its_place(ending: str) -> None:
    """Once, however often it is said; and who wanted to know of the close is told."""
    stage = stage_of("", policy("p", "1 concurrent"))
    closed: list[int] = []
    answer = streamed()
    answer.on_close = lambda: closed.append(1)
    response = await through(stage, answer)
    assert (await through(stage, streamed())).status == 429
    assert response.taps
    assert response.on_close is not None
    if ending == "abort":
        response.taps[0].abort()
    response.on_close()
    response.taps[0].abort()
    assert closed == [1]
    assert (await through(stage, streamed())).status == 200
    assert (await through(stage, streamed())).status == 429


@pytest.mark.parametrize("error", [ValueError("broken"), asyncio.CancelledError()])
async def test_a_request_that_fails_frees_its_place(error: BaseException) -> None:
    """An error, and a client that went away before there was a response."""
    stage = stage_of("", policy("p", "1 concurrent"))
    for _ in range(3):
        with pytest.raises(type(error)):
            await through(stage, error)
    assert (await through(stage, streamed())).status == 200


async def test_a_cancelled_task_frees_its_place() -> None:
    """While the handler is still at work."""
    stage = stage_of("", policy("p", "1 concurrent"))
    one = request()
    assert stage.enter(one) is None

    async def call_next(_exchange: Exchange) -> Response:
        await asyncio.Event().wait()
        raise AssertionError("never")

    task = asyncio.ensure_future(SettleStage(stage)(one, call_next))
    await asyncio.sleep(0)
    assert (await through(stage, streamed())).status == 429
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await through(stage, streamed())).status == 200


async def test_bytes_are_counted_as_they_go_out() -> None:
    """A stream that ends early costs what was sent of it."""
    stage = stage_of("", policy("p", "100/20s", cost="response-bytes"))
    fed(await through(stage, streamed()), b"123", b"4567", b"")
    assert left(stage) == (92,)
    response = await through(stage, streamed())
    assert response.taps
    response.taps[0].feed(b"x" * 50, last=False)
    response.taps[0].abort()
    # 7 and 2 are gone, the one of `left` above among them, and now 50.
    assert left(stage) == (40,)


async def test_no_response_costs_one() -> None:
    """As it was charged."""
    for cost in ("response-bytes", "response-header:x-cost", "cpu-ms"):
        stage = stage_of("", policy("p", "9/20s", cost=cost))
        with pytest.raises(ValueError, match="broken"):
            await through(stage, ValueError("broken"))
        assert left(stage) == (7,)


async def test_what_cost_more_than_is_left_blocks() -> None:
    """It was let through by then; the next one is not."""
    stage = stage_of("", policy("p", "10/20s", cost="response-bytes"))
    await through(stage, Response(200, Headers([]), b"x" * 500))
    assert (await through(stage, streamed())).status == 429


async def test_what_was_shed_costs_nothing() -> None:
    """All of it is given back, of every limit; as if it had never come."""
    stage = stage_of(
        "5/20s",
        policy("q", "5/month"),
        policy("b", "5/20s", cost="response-bytes"),
        policy("c", "1 concurrent"),
    )
    one = request()
    one.shed = True
    await through(stage, Response(503, Headers([]), b"busy" * 9), one)
    assert left(stage) == (4, 4, 4, 0)
    plain = stage_of("5/20s")
    one = request()
    one.shed = True
    await through(plain, Response(503, Headers([]), b"busy"), one)
    assert left(plain) == (4,)


async def test_a_refused_request_is_not_settled() -> None:
    """It was charged nothing; nor is one that no limit applies to."""
    stage = stage_of("", policy("p", "1/20s", cost="response-bytes"))
    assert left(stage) == (0,)
    one = request()
    assert isinstance(stage.enter(one), Response)

    async def call_next(_exchange: Exchange) -> Response:
        return streamed()

    response = await SettleStage(stage)(one, call_next)
    assert response.taps is None
    free = request()
    free.limit = None
    response = await SettleStage(stage)(free, call_next)
    assert response.taps is None


async def test_a_response_is_followed_only_where_it_matters() -> None:
    """Other limits leave it as it is."""
    response = await through(stage_of("5/20s"), streamed())
    assert (response.taps, response.on_close) == (None, None)


async def test_taps_that_are_there_stay() -> None:
    """The one that counts sees what is really sent: it comes last."""
    stage = stage_of("", policy("p", "2 concurrent"))
    answer = streamed()
    answer.taps = []
    taps = answer.taps
    response = await through(stage, answer)
    assert response.taps is taps
    assert len(taps) == 1


async def test_a_request_without_consumer_is_not_settled() -> None:
    """Nobody knows for whom it was counted."""
    stage = stage_of("", policy("p", "1 concurrent"))
    one = request()
    stage.enter(one)
    assert one.limit is not None
    decision = one.limit
    one.consumer = None
    stage.settle(one, decision, None, 0)
    assert (await through(stage, streamed())).status == 429


@pytest.mark.parametrize("cost", ["1", "response-bytes"])
@pytest.mark.parametrize(
    "text", ["2/20s", "2/20s exact", "9/20s burst 2", "2/month", "2 concurrent"]
)
async def test_shadow_changes_no_byte_and_counts_like_enforced(text: str, cost: str) -> None:
    """Answers are those of no policy; states those of an enforced one."""
    enforced, shadow, off = [
        stage_of("50/20s", named(policy("p", text, cost=cost), mode=mode))
        for mode in (Mode.ENFORCE, Mode.SHADOW, Mode.OFF)
    ]
    seen: dict[str, list[object]] = {"shadow": [], "off": []}
    for _number in range(4):
        answers = []
        for stage in (shadow, off):
            one = request()
            response = await through(stage, Response(200, Headers([(b"a", b"b")]), b"12"), one)
            answers.append((response.status, response.headers, response.body, one.added))
        seen["shadow"].append(answers[0])
        seen["off"].append(answers[1])
    assert seen["shadow"] == seen["off"]
    # The enforced run gets only what it lets through; the shadow's own count must be the same.
    for _number in range(4):
        await through(enforced, Response(200, Headers([]), b"12"))
    states = []
    for stage in (enforced, shadow):
        tables = stage.store._tables  # type: ignore[attr-defined]
        (name,) = [name for name in tables if name.startswith("p:")]
        states.append([shard for shard in tables[name].shards if shard])
    assert states[0] == states[1]


class Remote:
    """Counters across a network, which may fail."""

    def __init__(self, error: StoreError | None = None) -> None:
        self.near = MemoryCounters()
        self.error = error

    async def decide(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        now_ns: int,
        cost: int,
        costs: tuple[int, ...] = (),
    ) -> LimitDecision:
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return self.near.decide(plan, subjects, now_ns, cost, costs)

    def settle(
        self,
        decision: LimitDecision,
        subjects: tuple[str, ...],
        now_ns: int,
        changes: Sequence[int],
    ) -> None:
        self.near.settle(decision, subjects, now_ns, changes)


def remote_stage(text: str, remote: RemoteCounterStore) -> LimitStage:
    return LimitStage(
        MemoryCounters(),
        rules_of("", policy("p", text)),
        remote=remote,
        clock=ManualClock(NOW_NS),
    )


async def test_counters_across_a_network_decide_and_settle() -> None:
    """In place of the store."""
    stage = remote_stage("1 concurrent", Remote())
    response = await through(stage, streamed())
    assert (await through(stage, streamed())).status == 429
    fed(response, b"1")
    assert (await through(stage, streamed())).status == 200


async def test_a_remote_store_that_fails_is_a_verdict() -> None:
    """And the error goes on, to be contained."""
    stage = remote_stage("1/20s", Remote(StoreError("gone")))
    one = request()
    with pytest.raises(StoreError, match="gone"):
        await through(stage, streamed(), one)
    assert [found.verdict().reason for found in one.verdicts] == [
        "the store of the counters failed"
    ]


@pytest.mark.parametrize("is_remote", [False, True])
async def test_a_policy_that_denies_refuses_with_503(*, is_remote: bool) -> None:
    """While the counters cannot be asked; with a time to come again that spreads."""
    error = CountersUnavailableError("login")

    class Denying(MemoryCounters):
        def decide(self, *_given: object) -> LimitDecision:
            raise error

    stage = (
        remote_stage("1/20s", Remote(error))
        if is_remote
        else LimitStage(Denying(), rules_of("", policy("login", "1/20s")))
    )
    waits = set()
    for number in range(20):
        one = request()
        one.request_id = b"id-%d" % number
        response = await through(stage, streamed(), one)
        assert response.status == 503
        assert isinstance(response.body, bytes)
        assert b"temporary-reduced-capacity" in response.body
        assert b'"violated-policies":["login"]' in response.body.replace(b": ", b":")
        assert one.verdicts[0].verdict().policy == "login"
        waits.add(response.headers.get(b"retry-after"))
    assert waits == {b"1", b"2", b"3"}


async def test_messages_are_charged_one_by_one() -> None:
    """Near or far; where the counters fail, messages pass, unless a policy says otherwise."""
    chat = policy("chat", "2/20s", cost="messages")
    one = request()
    plan = stage_of("", chat).messages(one)
    assert plan is not None
    for remote in (None, Remote()):
        stage = LimitStage(MemoryCounters(), rules_of("", chat), remote=remote)
        decisions = [await stage.admit_message(one, plan, one.now_ns) for _ in range(3)]
        assert [decision is not None and decision.allowed for decision in decisions] == [
            True,
            True,
            False,
        ]
    stage = LimitStage(MemoryCounters(), rules_of("", chat), remote=Remote(StoreError("gone")))
    assert await stage.admit_message(one, plan, one.now_ns) is None
    error = CountersUnavailableError("chat")
    stage = LimitStage(MemoryCounters(), rules_of("", chat), remote=Remote(error))
    with pytest.raises(CountersUnavailableError):
        await stage.admit_message(one, plan, one.now_ns)
    one.consumer = None
    with pytest.raises(RuntimeError):
        await stage.admit_message(one, plan, one.now_ns)


async def test_guarded_counters_settle_where_they_decided() -> None:
    """Also while the store does not answer: places are freed in what stands in."""
    guarded = GuardedRemoteCounters(Remote(StoreError("gone")), shares=1)
    stage = remote_stage("1 concurrent", guarded)
    response = await through(stage, streamed())
    assert (await through(stage, streamed())).status == 429
    fed(response, b"1")
    assert (await through(stage, streamed())).status == 200


def test_settling_fails_open() -> None:
    """A response is not held up for its count."""
    assert SettleStage(stage_of("1/20s")).on_failure is FailureMode.OPEN
    assert SettleStage(stage_of("1/20s")).name == "settle"


async def test_what_a_long_response_cost_is_counted_when_it_ends() -> None:
    """Not in the window of its beginning, which may be over by then."""
    clock = ManualClock(NOW_NS)
    stage = stage_of("", policy("p", "100/20s", cost="response-bytes"), clock=clock)
    response = await through(stage, streamed())
    clock.advance(seconds=60)
    fed(response, b"x" * 30)
    assert left(stage, request(now_ns=clock.now_ns())) == (70,)
