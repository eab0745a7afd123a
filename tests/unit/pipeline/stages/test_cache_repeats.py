"""Answers that only lack a lifetime are noted, and no others."""

import pytest

from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.telemetry.repeats import RepeatLog
from tests.unit.pipeline.stages.cache_kit import Asked, Kit, response

KNOWN = Consumer("key:1", Tier.FREE)


@pytest.fixture
def log() -> RepeatLog:
    """What takes them down."""
    return RepeatLog()


@pytest.fixture
def kit(log: RepeatLog) -> Kit:
    """A stage that notes."""
    return Kit(repeats=log)


async def test_every_such_answer_is_noted_once(kit: Kit, log: RepeatLog) -> None:
    """The first, which goes the long way, and the others, which go the short one."""
    kit.answer = response(b"a")
    for path in ("/x", "/x", "/x?page=2", "/y", "/x"):
        await kit.ask(path)
    tally = log.drain()["*"]
    assert (tally.requests, len(tally.addresses), tally.unseen) == (5, 3, 0)
    assert log.drain() == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"cache_control": "max-age=5"},
        {"cache_control": "no-store"},
        {"etag": '"1"'},
        {"set_cookie": "a=b"},
        {"status": 404},
        {"status": 500},
    ],
)
async def test_an_answer_that_says_anything_is_not_noted(
    kit: Kit, log: RepeatLog, fields: dict[str, str | int]
) -> None:
    """Whether it may be stored or not, its author has thought of it; cookies and errors are out."""
    status = fields.pop("status", 200)
    assert isinstance(status, int)
    kit.answer = response(b"a", status, **fields)
    for _ in range(3):
        await kit.ask()
    assert log.drain() == {}


@pytest.mark.parametrize(
    "asked",
    [
        {"method": "HEAD"},
        {"method": "POST"},
        {"authorization": "Bearer x"},
        {"cookie": "a=b"},
        {"consumer": KNOWN},
    ],
)
async def test_a_request_of_somebody_is_not_noted(kit: Kit, log: RepeatLog, asked: Asked) -> None:
    """With credentials a lifetime alone would let nothing be shared."""
    kit.answer = response(b"a")
    for _ in range(3):
        await kit.ask(**asked)
    assert log.drain() == {}


@pytest.mark.parametrize(
    "policy", [CachePolicy(mode=Mode.OFF), CachePolicy(default_ttl_s=5)], ids=["off", "has one"]
)
async def test_where_a_lifetime_would_change_nothing_none_is_noted(
    kit: Kit, log: RepeatLog, policy: CachePolicy
) -> None:
    """The cache is off, or there is one already."""
    kit.policy = policy
    kit.answer = response(b"a")
    for number in range(3):
        await kit.ask(f"/{number}")
    assert log.drain() == {}


async def test_without_a_log_nothing_is_noted() -> None:
    """As in the middleware, where nobody asks for it."""
    kit = Kit()
    kit.answer = response(b"a")
    assert [(await kit.ask()).result for _ in range(3)] == ["miss"] * 3
