"""Which trace a request belongs to."""

from itertools import count

from lukhas.http.client_address import TrustedProxies
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.pipeline.intake import Intake
from lukhas.pipeline.request_trace import RequestTrace
from lukhas.pipeline.tracing import TracingIntake, TracingRules, named, new_span_id, trace_of
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.testing.clock import ManualClock

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = b"00-%b-00f067aa0ba902b7-%b"


def taken(rules: TracingRules, *fields: tuple[str, bytes]) -> RequestTrace | None:
    """The trace of a request with these fields; what is drawn is 7, 8, 9 ..."""
    numbers = count(7)
    intake = TracingIntake(ManualClock(), "w", rules, lambda _bits: next(numbers))
    head = RequestHead("GET", "http", b"api.test", b"/a", b"", Headers.of(fields))
    return trace_of(intake.exchange(head, "192.0.2.1"))


def test_the_trace_of_a_client_is_continued() -> None:
    """With its flags and its state, and a span of our own."""
    trace = taken(TracingRules(), ("traceparent", PARENT % (TRACE, b"01")), ("tracestate", b"a=1"))
    assert trace is not None
    assert (trace.trace_id, trace.parent_id) == (TRACE, b"00f067aa0ba902b7")
    assert trace.span_id == b"0000000000000007"
    assert trace.is_sampled
    assert trace.fields() == (
        b"traceparent: 00-%b-0000000000000007-01\r\ntracestate: a=1\r\n" % TRACE
    )
    trace.next_parent_id = b"1" * 16
    assert b"-1111111111111111-01" in trace.fields()


def test_a_trace_that_is_not_recorded_is_continued_so() -> None:
    """Who began it has decided."""
    rules = TracingRules(begins=True, ratio=1.0)
    trace = taken(rules, ("traceparent", PARENT % (TRACE, b"00")))
    assert trace is not None
    assert not trace.is_sampled
    assert trace.calls is None
    assert trace.fields() == b"traceparent: 00-%b-0000000000000007-00\r\n" % TRACE


def test_without_one_there_is_none_unless_it_begins_here() -> None:
    """A field that is not valid counts as none."""
    assert taken(TracingRules()) is None
    assert taken(TracingRules(), ("traceparent", b"00-x")) is None
    trace = taken(TracingRules(begins=True), ("traceparent", b"00-x"))
    assert trace is not None
    assert (trace.trace_id, trace.parent_id) == (b"0" * 31 + b"7", b"")
    assert trace.span_id == b"0" * 15 + b"8"


def test_of_what_begins_here_a_share_is_recorded() -> None:
    """The id is random in its last bytes, and the flags say so."""
    for ratio, flags, sampled in ((0.0, 2, False), (1.0, 3, True)):
        trace = taken(TracingRules(begins=True, ratio=ratio))
        assert trace is not None
        assert (trace.flags, trace.is_sampled) == (flags, sampled)


def test_no_more_are_recorded_in_a_second_than_is_set() -> None:
    """Clients choose how many of theirs; what is too much is passed on as it was."""
    clock = ManualClock(now_ns=0)
    rules = TracingRules(most_per_second=2)
    intake = TracingIntake(clock, "w", rules, lambda _bits: 7)
    fields = Headers.of([("traceparent", PARENT % (TRACE, b"01"))])
    head = RequestHead("GET", "http", b"api.test", b"/a", b"", fields)

    def recorded() -> bool:
        trace = trace_of(intake.exchange(head, "192.0.2.1"))
        assert trace is not None
        assert trace.fields().endswith(b"-01\r\n")
        return trace.is_sampled

    assert [recorded() for _ in range(4)] == [True, True, False, False]
    assert intake.skipped == 2
    clock.advance(seconds=1)
    assert recorded()


def test_only_those_are_believed_that_are_trusted() -> None:
    """Of others the trace is neither continued nor passed on."""
    field = ("traceparent", PARENT % (TRACE, b"01"))
    assert taken(TracingRules(trusted=TrustedProxies(["10.0.0.0/8"])), field) is None
    trace = taken(TracingRules(begins=True, trusted=TrustedProxies()), field)
    assert trace is not None
    assert trace.trace_id != TRACE
    trace = taken(TracingRules(trusted=TrustedProxies(["192.0.2.0/24"])), field)
    assert trace is not None
    assert trace.trace_id == TRACE


def test_ids_are_never_all_zero() -> None:
    """That means that there is none."""
    assert new_span_id(lambda _bits: 0) == b"0" * 15 + b"1"
    intake = TracingIntake(ManualClock(), "w", TracingRules(begins=True), lambda _bits: 0)
    head = RequestHead("GET", "http", b"api.test", b"/a", b"", Headers([]))
    trace = trace_of(intake.exchange(head, ""))
    assert trace is not None
    assert trace.trace_id == b"0" * 31 + b"1"


def test_all_else_is_as_without_traces() -> None:
    """Id, body and consumer."""
    consumer = Consumer("user:1", Tier.BASIC)
    intake = TracingIntake(ManualClock(now_ns=5), "w1", TracingRules(), lambda _bits: 1)
    head = RequestHead("GET", "http", b"api.test", b"/a", b"", Headers([]))
    made = intake.exchange(head, "192.0.2.7", asserted=consumer)
    assert (made.request_id, made.now_ns, made.asserted) == (b"w1-1", 5, consumer)
    assert (made.peer, made.head, made.body) == ("192.0.2.7", head, None)


def test_events_of_a_log_name_the_request() -> None:
    """By its id, and its trace if it is in one."""
    head = RequestHead("GET", "http", b"api.test", b"/a", b"", Headers([]))
    plain = Intake(ManualClock(), "w").exchange(head, "")
    assert named(plain) == {"request_id": "w-1"}
    assert named(None) == {}
    intake = TracingIntake(ManualClock(), "w", TracingRules(begins=True), lambda _bits: 7)
    assert named(intake.exchange(head, "")) == {"request_id": "w-1", "trace_id": "0" * 31 + "7"}
