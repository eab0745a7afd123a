"""Lines of the access log."""

import json
import re

import pytest

from lukhas.telemetry.access_lines import MAX_LINE_BYTES, AccessEntry, AccessLines
from lukhas.units import MILLISECOND_NS

ENTRY = AccessEntry(
    time_ns=1_795_642_388_917_907_000,
    client="192.0.2.7",
    consumer="key:reports",
    tier="basic",
    method="GET",
    host=b"api.test",
    path=b"/items/7",
    query=b"page=2&name=ann",
    protocol="HTTP/1.1",
    status=200,
    body_bytes=123,
    took_ns=12 * MILLISECOND_NS + 345_678,
    route="/items/{id}",
    cache="miss",
    upstream="default",
    request_id=b"abc-1",
    trace_id=b"4bf92f3577b34da6a3ce929d0e0e4736",
    fields=(b"https://shop.test/a?user=7", b"curl/8.0"),
)
FIELDS = ("referer", "user-agent")


def test_a_json_line() -> None:
    """Everything that is known, one object a line."""
    line = AccessLines("json", parameters={"page"}, fields=FIELDS).line(ENTRY)
    assert line.endswith(b"}\n")
    assert json.loads(line) == {
        "time": "2026-11-25T21:33:08.917907Z",
        "client": "192.0.2.7",
        "consumer": "key:reports",
        "tier": "basic",
        "method": "GET",
        "host": "api.test",
        "path": "/items/7",
        "query": "page=2&name=***",
        "protocol": "HTTP/1.1",
        "status": 200,
        "bytes": 123,
        "duration_ms": 12.345,
        "route": "/items/{id}",
        "cache": "miss",
        "upstream": "default",
        "request_id": "abc-1",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "fields": {"referer": "https://shop.test/a?user=***", "user-agent": "curl/8.0"},
    }


def test_fields_that_a_request_has_not_are_left_out() -> None:
    """An empty one is another thing."""
    lines = AccessLines("json", fields=FIELDS)
    assert "fields" not in json.loads(lines.line(ENTRY._replace(fields=(None, None))))
    shown = json.loads(lines.line(ENTRY._replace(fields=(None, b""))))["fields"]
    assert shown == {"user-agent": ""}


def test_common_and_combined_lines() -> None:
    """As the Apache server writes them (mod_log_config)."""
    common = (
        b"192.0.2.7 - key:reports [25/Nov/2026:21:33:08 +0000] "
        b'"GET /items/7?page=2&name=*** HTTP/1.1" 200 123'
    )
    parameters = {"page"}
    assert AccessLines("common", parameters=parameters, fields=FIELDS).line(ENTRY) == common + b"\n"
    combined = AccessLines("combined", parameters=parameters, fields=FIELDS)
    assert combined.line(ENTRY) == common + b' "https://shop.test/a?user=***" "curl/8.0"\n'
    bare = ENTRY._replace(consumer="", body_bytes=0, query=b"", fields=(None, b""))
    assert combined.line(bare) == (
        b'192.0.2.7 - - [25/Nov/2026:21:33:08 +0000] "GET /items/7 HTTP/1.1" 200 - "-" ""\n'
    )
    unknown = AccessLines("combined").line(ENTRY._replace(fields=()))
    assert unknown.endswith(b'123 "-" "-"\n')


def test_a_line_of_the_same_second_has_the_same_time() -> None:
    """And one of another second another."""
    for form in ("json", "common"):
        lines = AccessLines(form, fields=FIELDS)
        first = lines.line(ENTRY)
        assert lines.line(ENTRY) == first
        assert b":09" in lines.line(ENTRY._replace(time_ns=ENTRY.time_ns + 10**9))


def test_all_values_of_a_query_may_be_shown() -> None:
    """But for what looks like a secret."""
    lines = AccessLines("json", parameters=None, fields=FIELDS)
    entry = ENTRY._replace(query=b"page=2&token=hunter2")
    assert json.loads(lines.line(entry))["query"] == "page=2&token=[redacted]"


def test_secrets_in_paths_and_fields_are_taken_out() -> None:
    """A key or a token may stand anywhere."""
    entry = ENTRY._replace(
        path=b"/keys/lk_live_abc_hunter2",
        fields=(b"https://ann:hunter2@shop.test/?key=hunter2", b"Bearer hunter2"),
    )
    for form in ("json", "combined"):
        line = AccessLines(form, fields=FIELDS).line(entry)
        assert b"hunter2" not in line
        assert b"[redacted]" in line


@pytest.mark.parametrize(
    ("client", "form", "shown"),
    [
        ("192.0.2.7", "network", "192.0.2.0/24"),
        ("2001:db8:1:2::3", "network", "2001:db8:1::/48"),
        ("unix", "network", ""),
        ("192.0.2.7", "none", ""),
        ("2001:db8::3", "address", "2001:db8::3"),
    ],
)
def test_addresses_are_shown_as_far_as_wanted(client: str, form: str, shown: str) -> None:
    """An address is personal data; its network is hardly."""
    lines = AccessLines("json", client=form, fields=FIELDS)  # type: ignore[arg-type]
    assert json.loads(lines.line(ENTRY._replace(client=client)))["client"] == shown
    lines = AccessLines("common", client=form, fields=FIELDS)  # type: ignore[arg-type]
    assert lines.line(ENTRY._replace(client=client)).startswith((shown or "-").encode() + b" - ")


@pytest.mark.parametrize("form", ["json", "combined"])
@pytest.mark.parametrize("filling", [b"a", b'"', b"\\", b"\x00", b"\xff", "\U0001f600".encode()])
def test_no_line_is_longer_than_what_a_pipe_takes_at_once(form: str, filling: bytes) -> None:
    """Whatever is sent; what is too long is cut."""
    long = filling * 5000
    fields = (long,) * 8
    lines = AccessLines(form, parameters=None, fields=tuple("abcdefgh"))  # type: ignore[arg-type]
    entry = ENTRY._replace(
        consumer=long.decode("latin-1"), method=long.decode("latin-1"), host=long, path=long,
        query=long, route=long.decode("latin-1"), fields=fields,
    )  # fmt: skip
    line = lines.line(entry)
    assert len(line) <= MAX_LINE_BYTES
    assert b"..." in line
    assert re.fullmatch(rb"[ -~]+\n", line)


def test_a_long_text_is_cut_and_the_rest_stays() -> None:
    """One long field does not cost the others theirs."""
    line = AccessLines("json", fields=FIELDS).line(ENTRY._replace(path=b"/" + b"a" * 5000))
    shown = json.loads(line)
    assert shown["path"] == "/" + "a" * 699 + "..."
    assert shown["fields"]["user-agent"] == "curl/8.0"
