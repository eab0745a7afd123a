"""Whatever is sent as trace context, what is passed on is valid."""

from hypothesis import given
from hypothesis import strategies as st

from lukhas.http.trace_context import (
    TraceContext,
    is_drawn,
    parse_trace_context,
    threshold_of,
    traceparent_of,
)

_HEX = st.text("0123456789abcdef", min_size=1, max_size=33).map(str.encode)
_PIECES = st.lists(st.one_of(_HEX, st.sampled_from((b"-", b"00", b"ff", b"")), st.binary()))
_MEMBERS = st.lists(
    st.one_of(
        st.builds(lambda k, v: k + b"=" + v, _HEX, st.binary(max_size=200)),
        st.builds(lambda k, v: k + b"=" + v, _HEX, _HEX),
        st.binary(max_size=20),
    ),
    max_size=40,
)


@given(st.lists(_PIECES.map(b"".join), max_size=2), st.lists(_MEMBERS.map(b",".join), max_size=3))
def test_reading_never_fails(parents: list[bytes], states: list[bytes]) -> None:
    """Clients may send anything."""
    found = parse_trace_context(parents, states)
    assert found is None or isinstance(found, TraceContext)


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 255), _MEMBERS)
def test_what_is_passed_on_reads_as_the_same(
    trace: int, parent: int, flags: int, members: list[bytes]
) -> None:
    """Nothing is lost or changed at the next hop, and the state keeps to its bounds."""
    sent = traceparent_of(b"%032x" % trace, b"%016x" % parent, flags)
    context = parse_trace_context([sent], [b",".join(members)])
    assert context is not None
    assert len(context.state) <= 512
    assert context.state.count(b",") < 32
    again = traceparent_of(context.trace_id, context.parent_id, context.flags)
    assert parse_trace_context([again], [context.state]) == context


@given(st.integers(0, 2**128 - 1), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_holds_the_smaller_one(trace: int, one: float, other: float) -> None:
    """Hops with different shares agree on the traces of the smaller one."""
    small, large = sorted((one, other))
    trace_id = b"%032x" % trace
    assert is_drawn(trace_id, threshold_of(large)) or not is_drawn(trace_id, threshold_of(small))
