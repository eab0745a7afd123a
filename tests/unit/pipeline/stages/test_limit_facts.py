"""Whom a request is counted for, and what it costs."""

import pytest

from lukhas.http.headers import HeaderPairs, Headers
from lukhas.http.messages import Response
from lukhas.pipeline.stages.limit_facts import ExchangeFacts
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.rate_limiting.policies import LimitRequest
from lukhas.policy.rate_limiting.tiers import Tier
from tests.unit.pipeline.stages.limit_kit import (
    A,
    left,
    named,
    policy,
    request,
    send,
    stage_of,
    statuses,
)

B = Consumer("key:b", Tier.FREE)
DEVICE = b"x-device"


def together(by: str, one: object, other: object) -> bool:
    """Whether two requests are counted together."""
    stage = stage_of("", policy("p", "1/20s", by=by))
    return statuses(stage, [one, other]) == [200, 429]  # type: ignore[list-item]


def consumer(key: str, **facts: object) -> Consumer:
    return Consumer(key, Tier.FREE, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("by", "one", "other", "expected"),
    [
        ("consumer", A, A, True),
        ("consumer", A, B, False),
        ("tenant", consumer("a", tenant="t"), consumer("b", tenant="t"), True),
        ("tenant", consumer("a", tenant="t"), consumer("a", tenant="u"), False),
        ("tenant", consumer("a"), consumer("a"), True),
        ("tenant", consumer("a"), consumer("b"), False),
        ("credential", consumer("a", credential_id="1"), consumer("a", credential_id="2"), False),
        ("credential", consumer("a", credential_id="1"), consumer("b", credential_id="1"), True),
        ("credential", consumer("a"), consumer("b"), False),
        ("claim:org", consumer("a", claims=(("org", "x"),)), A, False),
        (
            "claim:org",
            consumer("a", claims=(("org", "x"), ("sub", "1"))),
            consumer("b", claims=(("sub", "2"), ("org", "x"))),
            True,
        ),
        ("claim:org", consumer("a", claims=(("Org", "x"),)), consumer("b"), False),
        ("upstream", A, B, True),
    ],
)
def test_what_is_known_of_the_consumer(
    by: str, one: Consumer, other: Consumer, *, expected: bool
) -> None:
    """Who lacks it is counted for itself."""
    assert together(by, request(one), request(other)) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([(DEVICE, b"1")], [(DEVICE, b"1")], True),
        ([(DEVICE, b"1")], [(DEVICE, b"2")], False),
        ([(DEVICE, b"1"), (DEVICE, b"2")], [(DEVICE, b"1, 2")], True),
        ([(DEVICE, b"1"), (DEVICE, b"2")], [(DEVICE, b"1")], False),
        ([], [(DEVICE, b"")], False),
        ([(DEVICE, b"x" * 5000)], [(DEVICE, b"x" * 5000)], True),
        ([(DEVICE, b"x" * 5000)], [(DEVICE, b"x" * 5000 + b"y")], False),
        ([(DEVICE, b"x" * 64)], [(DEVICE, b"x" * 65)], False),
        ([(DEVICE, b"\xff\t1")], [(DEVICE, b"\xff\t1")], True),
        ([(DEVICE, b"\xff\t1")], [(DEVICE, b"\xff\t2")], False),
        ([(DEVICE, b"key:a")], [], False),
    ],
)
def test_a_field_of_the_request(one: HeaderPairs, other: HeaderPairs, *, expected: bool) -> None:
    """Whoever sends it; long and odd values too. Without it each is counted for itself."""
    stage = stage_of("", policy("p", "1/20s", by="header:X-Device"))
    requests = [request(A, headers=one), request(B, headers=other)]
    assert (statuses(stage, requests) == [200, 429]) is expected


def test_long_and_odd_values_are_kept_short() -> None:
    """A client cannot fill the memory with its fields, nor write into logs."""
    stage = stage_of("", policy("p", "1/20s", by="header:x-device"))
    for value in (b"x" * 60_000, b"\x01\x02"):
        one = request(headers=[(DEVICE, value)])
        send(stage, one)
    tables = stage.store._tables  # type: ignore[attr-defined]
    subjects = [subject for shard in tables["p:header:x-device"].shards for subject in shard]
    assert len(subjects) == 2
    assert all(subject.startswith("header:") for subject in subjects)
    assert all(len(subject) <= 80 and subject.isprintable() for subject in subjects)


def test_address_and_route() -> None:
    """By the address of the client; by the route, whoever calls."""
    assert together("address", request(A), request(B))
    assert not together("address", request(A), request(A, client="192.0.2.2"))
    assert together("route", request(A), request(B))
    assert not together("route", request(A), request(A, route="other"))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (request(A), request(A), True),
        (request(A), request(B), False),
        (request(A), request(A, route="other"), False),
        (request(A, headers=[(DEVICE, b"1")]), request(A, headers=[(DEVICE, b"2")]), False),
        (request(A, headers=[(DEVICE, b"1")]), request(A, headers=[(DEVICE, b"1")]), True),
        (request(A, headers=[(DEVICE, b"1")]), request(A), False),
    ],
)
def test_several_facts_count_who_agrees_in_all(
    one: object, other: object, *, expected: bool
) -> None:
    """A difference in any of them counts apart."""
    assert together("consumer+route+header:x-device", one, other) is expected


def test_no_value_can_stand_for_two() -> None:
    """Parts run into each other nowhere."""
    by = "header:a+header:b"
    one = request(headers=[(b"a", b"x"), (b"b", b"y\x1fheader:z")])
    other = request(headers=[(b"a", b"x\x1fheader:y"), (b"b", b"z")])
    assert not together(by, one, other)


@pytest.mark.parametrize(
    ("cost", "headers", "weight", "expected"),
    [
        ("1", [], 1, 1),
        ("5", [], 1, 5),
        ("5", [], 3, 15),
        ("request-bytes", [(b"content-length", b"7")], 3, 7),
        ("request-bytes", [], 1, 1),
        ("request-bytes", [(b"content-length", b"0")], 1, 1),
        ("request-bytes", [(b"content-length", b"many")], 1, 1),
        ("request-kib", [(b"content-length", b"1024")], 1, 1),
        ("request-kib", [(b"content-length", b"1025")], 1, 2),
        ("request-header:x-cost", [(b"x-cost", b"9")], 1, 9),
        ("request-header:x-cost", [(b"x-cost", b"-9")], 1, 1),
        ("request-header:x-cost", [(b"x-cost", b"1" * 19)], 1, 1),
        ("request-header:x-cost", [], 1, 1),
        ("response-bytes", [], 7, 1),
    ],
)
def test_what_a_request_costs(cost: str, headers: HeaderPairs, weight: int, expected: int) -> None:
    """At least 1, whatever the client says."""
    stage = stage_of("", policy("p", "100/20s", cost=cost))
    one = request(headers=headers, weight=weight)
    stage.enter(one)
    assert one.limit is not None
    assert one.limit.figures[0] == 100 - expected
    assert one.limit.charged(0) == expected


def test_costs_are_bounded() -> None:
    """What is too much to be true never fits, and overflows nothing."""
    stage = stage_of("", policy("p", "2000000000/20s", cost="request-header:x-cost"))
    assert left(stage, request(headers=[(b"x-cost", b"9" * 18)])) == (1_000_000_000,)
    stage = stage_of("", policy("p", "2000000000/20s", cost="request-bytes"))
    assert left(stage, request(headers=[(b"content-length", b"9" * 18)])) == (1_000_000_000,)


@pytest.mark.parametrize(
    ("cost", "headers", "body", "expected"),
    [
        ("response-bytes", [], b"x" * 30, 30),
        ("response-bytes", [], b"", 1),
        ("response-kib", [], b"x" * 2049, 3),
        ("response-header:x-cost", [(b"x-cost", b"12")], b"", 12),
        ("response-header:x-cost", [], b"", 1),
        ("cpu-ms", [(b"server-timing", b"cpu;dur=12.3")], b"", 13),
        ("cpu-ms", [(b"server-timing", b'db;dur=5, CPU ; desc="x" ; dur=7')], b"", 7),
        ("cpu-ms", [(b"server-timing", b"db;dur=5"), (b"server-timing", b"cpu;dur=3")], b"", 3),
        ("cpu-ms", [(b"server-timing", b"xcpu;dur=50")], b"", 1),
        ("cpu-ms", [(b"server-timing", b"cpu;dur=-5")], b"", 1),
        ("cpu-ms", [(b"server-timing", b"cpu")], b"", 1),
        ("cpu-ms", [], b"", 1),
        ("request-bytes", [], b"x" * 30, 1),
    ],
)
def test_what_a_response_costs(cost: str, headers: HeaderPairs, body: bytes, expected: int) -> None:
    """Put right when it has ended."""
    stage = stage_of("", policy("p", "100/20s", cost=cost))
    send(stage, request(), Response(200, Headers(headers), body))
    # The next one has not ended yet when it is told what is left.
    assert left(stage) == (100 - expected - 1,)


def test_the_longer_of_measured_and_stated_time_counts() -> None:
    """In whole milliseconds, begun ones counted: each may have seen only a part."""
    stage = stage_of("", policy("p", "100/20s", cost="cpu-ms"))
    one = request()
    one.cpu_ns = 4_000_001
    send(stage, one, Response(200, Headers([(b"server-timing", b"cpu;dur=3")]), b""))
    assert left(stage) == (94,)


def test_a_function_gives_the_cost() -> None:
    """It is told all about the request; at least 1 is charged."""
    told: list[LimitRequest] = []

    def cost_for(found: LimitRequest) -> int:
        told.append(found)
        return int(found.headers.get(b"x-n") or b"0")

    stage = stage_of("", named(policy("p", "9/20s"), cost_for=cost_for))
    found = [left(stage, request(headers=[(b"x-n", n)])) for n in (b"3", b"0", b"-5", b"9")]
    assert found == [(6,), (5,), (4,), (4,)]
    assert isinstance(told[0], ExchangeFacts)


def test_what_functions_are_told() -> None:
    """Method, path, query, fields, address and consumer of the request."""
    someone = Consumer("key:a", Tier.BASIC, name="anna", tenant="t")
    facts = ExchangeFacts(request(someone, headers=[(b"a", b"b")]), someone)
    assert (facts.method, facts.path, facts.query) == ("POST", b"/a", b"x=1")
    assert facts.headers.get(b"a") == b"b"
    assert (facts.client, facts.consumer, facts.tenant, facts.tier) == (
        "192.0.2.1",
        "anna",
        "t",
        Tier.BASIC,
    )
    assert ExchangeFacts(request(B), B).consumer == "key:b"
