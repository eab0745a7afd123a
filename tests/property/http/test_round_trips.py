"""What is written can be read back."""

import json

from hypothesis import given
from hypothesis import strategies as st

from lukhas.http.dates import format_http_date, parse_http_date
from lukhas.http.headers import Headers
from lukhas.http.list_syntax import unquote
from lukhas.http.problem import Problem
from lukhas.http.status import reason_phrase, status_line
from lukhas.http.structured_fields import sf_integer, sf_string, sf_token

FIRST_S = -62_135_596_800  # 1 January of the year 1
LAST_S = 253_402_300_799  # 31 December 9999, 23:59:59

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
LINES = st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.binary(max_size=3)), max_size=8)


@given(st.integers(FIRST_S, LAST_S), st.integers(0, 4_000_000_000))
def test_dates(epoch_s: int, now_s: int) -> None:
    """A written date reads as the same second, whatever the present is."""
    assert parse_http_date(format_http_date(epoch_s), now_s=now_s) == epoch_s


@given(st.integers(0, 4_000_000_000), st.integers(-50 * 365 * 86_400, 50 * 365 * 86_400))
def test_two_digit_years_within_reach(now_s: int, distance_s: int) -> None:
    """A date of the old form less than 50 years ahead, or as many back, is read exactly."""
    then_s = now_s + distance_s
    imf = format_http_date(then_s).decode()
    day, month, year = imf[5:7], imf[8:11], imf[14:16]
    old = f"Monday, {day}-{month}-{year} {imf[17:]}".encode()
    assert parse_http_date(old, now_s=now_s) == then_s


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_structured_strings(text: str) -> None:
    """An item unquoted is the text again."""
    assert unquote(sf_string(text)).decode() == text


@given(st.text())
def test_structured_items_refuse_or_write_printable_ascii(text: str) -> None:
    """Any text either raises ValueError or gives bytes that fit into a field value."""
    for write in (sf_string, sf_token):
        try:
            item = write(text)
        except ValueError:
            continue
        assert all(32 <= byte < 127 for byte in item)


@given(st.integers())
def test_structured_integers(number: int) -> None:
    """Numbers of 15 digits are read back, longer ones refused."""
    try:
        assert int(sf_integer(number)) == number
    except ValueError:
        assert len(str(abs(number))) > 15
    else:
        assert len(str(abs(number))) <= 15


@given(st.integers(100, 999))
def test_status_lines(status: int) -> None:
    """Version, code and phrase, and nothing else."""
    version, code, phrase = status_line(status).removesuffix(b"\r\n").split(b" ", 2)
    assert (version, int(code), phrase) == (b"HTTP/1.1", status, reason_phrase(status))


@given(st.text(), st.text(min_size=1), st.dictionaries(st.text(), JSON_VALUES, max_size=4))
def test_problems(title: str, detail: str, extensions: dict[str, object]) -> None:
    """A problem is one JSON object with all of its members."""
    standard = {"type", "title", "status", "detail", "instance"}
    members = tuple((name, value) for name, value in extensions.items() if name not in standard)
    problem = Problem(
        type="urn:x:y",
        title=title,
        status=400,
        detail=detail,
        extensions=members,  # type: ignore[arg-type]  # made of JSON values only
    )
    expected = {"type": "urn:x:y", "title": title, "status": 400, "detail": detail}
    assert json.loads(problem.to_json()) == expected | dict(members)


@given(LINES)
def test_headers_look_up_what_was_received(lines: list[tuple[bytes, bytes]]) -> None:
    """Look-ups agree with a walk over the lines."""
    headers = Headers(lines)
    for name in (b"a", b"b", b"c", b"d"):
        values = [value for key, value in lines if key == name]
        assert headers.get_all(name) == values
        assert headers.get(name) == (values[0] if values else None)
        assert (name in headers) is bool(values)
        assert headers.joined(name) == (b", ".join(values) if values else None)
        assert headers.without([name]).get_all(name) == []
        assert len(headers.without([name])) == len(lines) - len(values)


@given(LINES, LINES)
def test_replaced_headers(lines: list[tuple[bytes, bytes]], new: list[tuple[bytes, bytes]]) -> None:
    """Named fields have the new values, the others keep theirs."""
    replaced = Headers(lines).replaced(new)
    names = {name for name, _ in new}
    for name in (b"a", b"b", b"c"):
        source = new if name in names else lines
        assert replaced.get_all(name) == [value for key, value in source if key == name]
