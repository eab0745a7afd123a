"""Reading and writing trace context, by the rules of W3C Trace Context."""

import pytest

from lukhas.http.trace_context import (
    RANDOM,
    SAMPLED,
    TraceContext,
    is_drawn,
    parse_trace_context,
    threshold_of,
    traceparent_of,
)

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = b"00f067aa0ba902b7"
PARENT = b"00-%b-%b-01" % (TRACE, SPAN)


def state_of(*lines: bytes) -> bytes:
    """What is passed on of these lines of `tracestate`."""
    context = parse_trace_context([PARENT], lines)
    assert context is not None
    return context.state


def test_a_traceparent_is_read() -> None:
    """Version, trace, parent and flags (section 3.2.2)."""
    assert parse_trace_context([PARENT]) == TraceContext(TRACE, SPAN, SAMPLED)
    context = parse_trace_context([b"00-%b-%b-02" % (TRACE, SPAN)])
    assert context == TraceContext(TRACE, SPAN, RANDOM)
    assert context is not None
    assert not context.is_sampled
    assert TraceContext(TRACE, SPAN, SAMPLED | RANDOM).is_sampled


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"00",
        PARENT[:-1],
        PARENT + b"0",
        PARENT + b"-",
        PARENT + b"-00",
        b" " + PARENT,
        PARENT.upper(),
        PARENT.replace(b"-", b"_"),
        PARENT.replace(b"00-4", b"ff-4"),
        PARENT.replace(b"00-4", b"0g-4"),
        PARENT.replace(b"00-4", b"0-4"),
        PARENT.replace(TRACE, b"0" * 32),
        PARENT.replace(TRACE, TRACE[1:]),
        PARENT.replace(TRACE, b"g" + TRACE[1:]),
        PARENT.replace(SPAN, b"0" * 16),
        PARENT.replace(SPAN, SPAN + b"0"),
        PARENT[:-2] + b"x1",
        PARENT + b"\n",
    ],
)
def test_what_is_no_traceparent_is_none(wrong: bytes) -> None:
    """Every digit counts: who guesses would join traces that have nothing to do with each other."""
    assert parse_trace_context([wrong]) is None


def test_there_has_to_be_one_traceparent() -> None:
    """Of two nobody knows which is true (section 3.2)."""
    assert parse_trace_context([]) is None
    assert parse_trace_context([PARENT, PARENT]) is None


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    """Its first four parts are those of version 00, and more may follow (section 3.2.4)."""
    later = PARENT.replace(b"00-4", b"cc-4")
    known = TraceContext(TRACE, SPAN, SAMPLED)
    assert parse_trace_context([later]) == known
    assert parse_trace_context([later + b"-what-the-future-will-be-like"]) == known
    assert parse_trace_context([later + b"."]) is None


def test_flags_that_are_not_known_are_left_out() -> None:
    """They must be 0 in what is sent on (section 3.2.2.5)."""
    context = parse_trace_context([PARENT[:-2] + b"ff"])
    assert context == TraceContext(TRACE, SPAN, SAMPLED | RANDOM)


def test_a_child_is_written_in_version_00() -> None:
    """The trace stays, the parent is the new span."""
    assert traceparent_of(TRACE, b"b7ad6b7169203331", SAMPLED | RANDOM) == (
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-03"
    )


def test_tracestate_is_passed_on() -> None:
    """All lines together, in order, without white space around members (section 3.3)."""
    assert state_of() == b""
    assert state_of(b"rojo=00f067aa0ba902b7") == b"rojo=00f067aa0ba902b7"
    assert state_of(b"a=1 , b=2,", b"\tc@d=x y") == b"a=1,b=2,c@d=x y"
    assert state_of(b"", b" ,\t,") == b""
    assert state_of(b"1a-_*/=!;~") == b"1a-_*/=!;~"


@pytest.mark.parametrize(
    "wrong",
    [
        b"a",
        b"a=",
        b"=1",
        b"A=1",
        b"a =1",
        b"a=1=2",
        b"a=\x7f",
        b"a=\xc3\xa4",
        b"@a=1",
        b"a=1,a=2",
        b"k" * 257 + b"=1",
        b"a=" + b"v" * 257,
        b",".join(b"k%d=1" % number for number in range(33)),
        b"a=1," + b" " * (32 * 515),
    ],
)
def test_a_wrong_tracestate_counts_as_none(wrong: bytes) -> None:
    """And the trace goes on all the same (section 3.3.1.3); 32 members are the most."""
    assert state_of(wrong) == b""
    assert state_of(b",".join(b"k%d=1" % number for number in range(32))) != b""


def test_a_long_tracestate_loses_long_members_first() -> None:
    """Whole ones, beginning at the end, until 512 bytes are left (section 3.3.1.5)."""
    long = b"long=" + b"v" * 200
    longer = b"longer=" + b"v" * 250
    short = [b"k%d=%b" % (number, b"v" * 90) for number in range(4)]
    assert state_of(b"a=1," + long + b"," + longer) == b"a=1," + long + b"," + longer
    assert state_of(b",".join([long, *short, longer])) == b",".join(short)
    assert state_of(b",".join([long, *short[:2], longer])) == b",".join([long, *short[:2]])
    many = [b"k%d=%b" % (number, b"v" * 90) for number in range(8)]
    assert state_of(b",".join(many)) == b",".join(many[:5])
    assert len(state_of(b",".join(many))) <= 512


def test_all_draw_the_same_traces() -> None:
    """By the id alone; and who draws a larger share draws these and more."""
    low, high = b"0" * 31 + b"1", b"0" * 18 + b"f" * 14
    assert not is_drawn(low, threshold_of(0.5))
    assert is_drawn(high, threshold_of(0.5))
    assert is_drawn(high, threshold_of(0.000001))
    assert is_drawn(low, threshold_of(1.0))
    assert not is_drawn(high, threshold_of(0.0))
    half = b"0" * 18 + b"8" + b"0" * 13
    assert is_drawn(half, threshold_of(0.5))
    assert not is_drawn(half, threshold_of(0.49))
    # The first 72 bits do not count: not everybody draws them at random.
    assert not is_drawn(b"f" * 18 + b"0" * 14, threshold_of(0.5))
