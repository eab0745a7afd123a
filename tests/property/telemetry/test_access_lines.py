"""Nobody forges a line of the access log."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from lukhas.telemetry.access_lines import MAX_LINE_BYTES, AccessEntry, AccessLines

_BYTES = st.binary(max_size=80)
_NASTY = st.sampled_from(
    (b"\n", b"\r\n", b'"', b'\\"', b'" 200 1\n', b"\x1b[2J", b"\xe2\x80\xa8", b"%0a", b"\x7f", b" ")
)
_SENT = st.lists(st.one_of(_BYTES, _NASTY), max_size=4).map(b"".join)
_TEXT = st.text(max_size=40)
_LINE = re.compile(
    rb"(\S+) - (\S+) \[25/Nov/2026:21:33:08 \+0000\] "
    rb'"((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-) "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"\n'
)

_ENTRIES = st.builds(
    AccessEntry,
    time_ns=st.just(1_795_642_388_917_907_000),
    client=_TEXT,
    consumer=_TEXT,
    tier=st.just("free"),
    method=_TEXT,
    host=_SENT,
    path=_SENT,
    query=_SENT,
    protocol=st.just("HTTP/1.1"),
    status=st.integers(100, 599),
    body_bytes=st.integers(0, 10**12),
    took_ns=st.integers(0, 10**12),
    route=_TEXT,
    cache=st.just("hit"),
    upstream=st.just("default"),
    request_id=st.just(b"abc-1"),
    trace_id=st.just(b""),
    fields=st.tuples(st.none() | _SENT, st.none() | _SENT),
)
_FIELDS = ("referer", "user-agent")
_SHOWN = st.sampled_from((None, frozenset[str](), frozenset(("a",))))


@given(_ENTRIES, _SHOWN)
def test_a_json_line_is_one_object(entry: AccessEntry, shown: frozenset[str] | None) -> None:
    """On one line of printable ASCII, with our own values as they are."""
    line = AccessLines("json", parameters=shown, fields=_FIELDS).line(entry)
    assert re.fullmatch(rb"[ -~]+\n", line)
    assert len(line) <= MAX_LINE_BYTES
    found = json.loads(line)
    assert (found["status"], found["bytes"]) == (entry.status, entry.body_bytes)
    assert found["request_id"] == "abc-1"
    assert set(found.get("fields", {})) == {
        name for name, value in zip(_FIELDS, entry.fields, strict=True) if value is not None
    }


@given(_ENTRIES, _SHOWN)
def test_a_combined_line_has_its_parts_where_they_belong(
    entry: AccessEntry, shown: frozenset[str] | None
) -> None:
    """No quote, space or line feed of a client ends a part before its time."""
    line = AccessLines("combined", parameters=shown, fields=_FIELDS).line(entry)
    assert re.fullmatch(rb"[ -~]+\n", line)
    assert len(line) <= MAX_LINE_BYTES
    found = _LINE.fullmatch(line)
    assert found is not None
    assert int(found[4]) == entry.status
    assert found[5] == (b"%d" % entry.body_bytes if entry.body_bytes else b"-")
    assert found[3].endswith(b" HTTP/1.1")
