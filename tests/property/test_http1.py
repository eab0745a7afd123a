"""The front server reads requests as a second, strict reading of RFC 9112 does, or refuses them.

The long run is `python -m benchmarks.fuzz_http1`: 200 000 inputs.
"""

import random

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fuzz_http1 import CORPUS, TOKENS, Fuzzer, damaged
from benchmarks.strict_http1 import strict_requests

PARTS = st.sampled_from([*CORPUS, *TOKENS]) | st.binary(max_size=8)


async def _fed(inputs: list[bytes], seed: int) -> Fuzzer:
    draws = random.Random(seed)
    fuzzer = Fuzzer()
    for data in inputs:
        await fuzzer.feed(data, draws)
    return fuzzer


@settings(max_examples=500)
@given(st.lists(PARTS, max_size=8).map(b"".join), st.integers(0, 1000))
def test_nothing_is_read_that_was_not_sent(data: bytes, seed: int) -> None:
    """Whatever comes, in whatever pieces: no exception, no hang, nothing smuggled."""
    assert uvloop.run(_fed([data], seed)).wrong == []


@pytest.mark.slow
def test_damaged_requests() -> None:
    """Four thousand of the long run, where about half bring a request through."""
    draws = random.Random(7)
    fuzzer = uvloop.run(_fed([damaged(draws) for _ in range(4000)], 7))
    assert fuzzer.wrong == []
    assert sum(count for requests, count in fuzzer.seen.items() if requests) > 1500
    assert {b"200", b"400", b"501"} <= fuzzer.answers.keys()


@pytest.mark.parametrize("data", CORPUS)
def test_the_two_readings_agree_on_what_is_right(data: bytes) -> None:
    """Each request of the corpus passes whole, so the comparison compares something."""
    (request,) = strict_requests(data)
    assert request.whole
    assert uvloop.run(_fed([data], 1)).seen == {1: 1}


async def _confused(data: bytes) -> list[tuple[str, bytes]]:
    """What is found wrong where the input is another one than was fed."""
    fuzzer = Fuzzer()
    await fuzzer.feed(data, random.Random(1))
    exchanges, fuzzer.wrong = fuzzer.heads, []
    fuzzer.heads = exchanges
    fuzzer.judge(b"", None)
    return fuzzer.wrong


def test_a_smuggled_request_is_seen() -> None:
    """The comparison fails where something comes through that the input does not have."""
    assert uvloop.run(_confused(CORPUS[0])) != []
