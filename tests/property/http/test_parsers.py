"""Parsers of what strangers send: any bytes give a documented result, never an exception."""

import json
import re
from ipaddress import IPv6Network, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lukhas.http.authority import normalise_authority
from lukhas.http.cache_control import MAX_DELTA_S, NO_DIRECTIVES, CacheControl, parse_cache_control
from lukhas.http.client_address import TrustedProxies, address_key, client_address
from lukhas.http.content_negotiation import accepts_media_type, choose_coding, parse_quality_list
from lukhas.http.dates import parse_http_date
from lukhas.http.list_syntax import split_quoted, unquote
from lukhas.http.request_id import valid_request_id
from lukhas.http.request_target import PathPolicy, Target, TargetProblem, parse_target

NOW_S = 1_780_000_000
POLICIES = st.builds(
    PathPolicy,
    encoded_slash=st.sampled_from(["reject", "keep"]),
    dot_segments=st.sampled_from(["resolve", "reject"]),
)


def pieces(*parts: bytes) -> st.SearchStrategy[bytes]:
    """Bytes made of the given parts and a few others, so that examples come near the grammar."""
    part = st.sampled_from(parts) | st.binary(max_size=2)
    return st.lists(part, max_size=16).map(b"".join)


CACHE_CONTROLS = pieces(
    *(b"max-age", b"no-cache", b"private", b"max-stale", b"no-store", b"x-y", b"=", b"="),
    *(b",", b", ", b'"', b'"', b"\\", b"0", b"10", b"99999999999", b" ", b"set-cookie"),
)
QUALITIES = pieces(
    *(b"gzip", b"br", b"identity", b"*", b"*/*", b"text/html", b"text/*", b";", b";q=0.5"),
    *(b";q=0", b";level=1", b",", b", ", b" ", b'"', b"="),
)
TARGETS = pieces(
    *(b"/", b"/", b"/", b".", b"..", b"%2e", b"%2f", b"%5C", b"%", b"%41", b"%25", b"%c3%a9"),
    *(b"%c0%af", b"a", b";", b"?", b"#", b"*", b"http://", b"a.example", b":80", b"@", b"\\"),
).flatmap(lambda tail: st.sampled_from([tail, b"/" + tail, b"http://a.example/" + tail]))
AUTHORITIES = pieces(
    b"a", b"EXAMPLE", b".", b":", b"80", b"[", b"]", b"::1", b"@", b"1.2.3.4", b"0"
)
FORWARDED = pieces(
    *(b"10.0.0.1", b"198.51.100.1", b"2001:db8::1", b"::ffff:10.0.0.1", b"[", b"]", b":80"),
    *(b",", b", ", b"%eth0", b"unknown", b"."),
)


@given(CACHE_CONTROLS, st.sampled_from([b",", b";"]))
def test_split_loses_nothing(value: bytes, separator: bytes) -> None:
    """The pieces joined by the separator are the value again."""
    assert separator.join(split_quoted(value, separator)) == value


@given(st.binary())
def test_unquote_of_any_content(content: bytes) -> None:
    """A content that was quoted comes back, and splitting does not cut it."""
    quoted = b'"' + re.sub(rb'(["\\])', rb"\\\1", content) + b'"'
    assert unquote(quoted) == content
    assert split_quoted(b"a=" + quoted + b",b", b",") == [b"a=" + quoted, b"b"]


@given(st.lists(CACHE_CONTROLS, max_size=4))
def test_cache_control_of_any_lines(lines: list[bytes]) -> None:
    """Numbers stay in range, and the order of the lines does not matter."""
    directives = parse_cache_control(lines)
    for seconds in (directives.max_age, directives.s_maxage, directives.max_stale):
        assert seconds is None or 0 <= seconds <= MAX_DELTA_S
    assert not (directives.max_stale_any and directives.max_stale is not None)
    assert parse_cache_control(lines[::-1]) == directives


@given(
    st.lists(CACHE_CONTROLS, max_size=3), st.sampled_from([b"no-store", b"private", b"no-cache"])
)
def test_cache_control_never_misses_a_restriction_on_its_own_line(
    lines: list[bytes], name: bytes
) -> None:
    """No junk on other lines can hide a restriction."""
    directives = parse_cache_control([*lines, name])
    assert getattr(directives, name.decode().replace("-", "_")) is True


@given(
    st.booleans(),
    st.none() | st.integers(0, MAX_DELTA_S),
    st.frozensets(st.from_regex(rb"\A[a-z-]{1,8}\Z"), max_size=3),
)
def test_cache_control_reads_what_was_written(
    no_store: bool,
    max_age: int | None,
    private_fields: frozenset[bytes],
) -> None:
    """Directives written by the grammar are read back."""
    members = [b"no-store"] if no_store else []
    if max_age is not None:
        members.append(b"max-age=%d" % max_age)
    if private_fields:
        members.append(b'private="' + b", ".join(sorted(private_fields)) + b'"')
    expected = CacheControl(no_store=no_store, max_age=max_age, private_fields=private_fields)
    assert parse_cache_control([b", ".join(members)]) == expected
    assert parse_cache_control(members) == expected


@given(st.binary() | pieces(b"Sun", b", ", b"06", b" Nov ", b"1994", b" 08:49:37", b" GMT", b"-"))
def test_dates_of_any_bytes(value: bytes) -> None:
    """Seconds or None."""
    assert isinstance(parse_http_date(value, now_s=NOW_S), int | None)


@given(QUALITIES)
def test_quality_list_of_any_bytes(value: bytes) -> None:
    """Lower-case names and weights of 0 to 1000."""
    for name, q in parse_quality_list(value):
        assert name == name.lower() != b""
        assert 0 <= q <= 1000


@given(QUALITIES, st.lists(st.sampled_from([b"gzip", b"br", b"identity"]), unique=True).map(tuple))
def test_chosen_coding_is_on_offer(value: bytes, available: tuple[bytes, ...]) -> None:
    """The choice is on offer or identity, and never one the client excluded by name."""
    coding = choose_coding(value, available)
    assert coding is None or coding in {*available, b"identity"}
    weights = dict(reversed(parse_quality_list(value)))
    assert coding is None or weights.get(coding) != 0


@given(QUALITIES, QUALITIES)
def test_media_types_of_any_bytes(accept: bytes, media_type: bytes) -> None:
    """Always an answer, and a type excluded by name stays excluded whatever else is listed."""
    assert isinstance(accepts_media_type(accept, media_type), bool)
    assert accepts_media_type(b"a/b;q=0, " + accept, b"a/b") is False


@given(AUTHORITIES | st.binary(), st.sampled_from(["http", "https", ""]))
def test_authority_is_idempotent(value: bytes, scheme: str) -> None:
    """The normal form of a normal form is itself, and it holds no byte that could mislead."""
    normal = normalise_authority(value, scheme=scheme)
    if normal is not None:
        assert normalise_authority(normal, scheme=scheme) == normal
        assert re.fullmatch(rb"[a-z0-9._:\[\]-]+", normal)


@given(TARGETS | st.binary(), st.sampled_from(["GET", "OPTIONS", "CONNECT"]), POLICIES)
@example(b"/a/..%2f", "GET", PathPolicy(encoded_slash="keep"))
@example(b"/%2e%2e;/", "GET", PathPolicy())
def test_targets_have_one_normal_form(raw: bytes, method: str, policy: PathPolicy) -> None:
    """A path that passes is normal: reading it again changes nothing, and it hides no dots."""
    target = parse_target(raw, method, path_policy=policy)
    if isinstance(target, TargetProblem):
        assert target.reason
        return
    if method == "CONNECT":
        assert target.authority
        return
    assert parse_target(target.path, method, path_policy=policy) == Target(target.path, b"", None)
    assert not {b".", b".."} & set(re.split(rb"/|%2F|%5C", target.path))
    assert re.fullmatch(rb"\*|/[!-\"$-\[\]-~]*", target.path)
    assert policy.encoded_slash == "keep" or not re.search(rb"%(?:2F|5C)", target.path)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="/\\\0")))
def test_every_text_has_one_path(text: str) -> None:
    """However a segment is escaped, its normal form is the same."""
    segment = text.encode()
    every_byte = b"".join(b"%%%02x" % byte for byte in segment)
    upper = b"".join(b"%%%02X" % byte for byte in segment)
    first = parse_target(b"/x/" + every_byte, "GET", path_policy=PathPolicy())
    assert parse_target(b"/x/" + upper, "GET", path_policy=PathPolicy()) == first
    assert isinstance(first, Target) or re.match(rb"\.\.?;", segment)


@given(
    st.text(max_size=20) | st.ip_addresses().map(str),
    st.lists(FORWARDED, max_size=3),
    st.sampled_from([(), ("10.0.0.0/8",), ("0.0.0.0/0", "::/0")]),
)
def test_client_address_of_any_lines(peer: str, lines: list[bytes], cidrs: tuple[str, ...]) -> None:
    """Either the peer's own text, or a normal address."""
    client = client_address(peer, lines, TrustedProxies(cidrs))
    if client != peer:
        assert client == str(ip_address(client))
    assert isinstance(address_key(client), str)


@given(st.ip_addresses(v=4).map(str), st.binary(max_size=40))
def test_spoofed_members_never_count(client: str, spoofed: bytes) -> None:
    """Whatever a client writes to the left of what our proxy adds, the proxy's word counts."""
    trusted = TrustedProxies(("fd00::/8",))
    assert client_address("fd00::1", [spoofed + b", " + client.encode()], trusted) == client
    assert client_address("fd00::1", [spoofed, client.encode()], trusted) == client
    assert client_address(client, [spoofed], trusted) == client


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_address_key_is_the_network(address: object, interface: int) -> None:
    """All addresses of one /64 have one key."""
    network = IPv6Network((address, 64), strict=False)
    neighbour = network[interface]
    if neighbour.ipv4_mapped is None:
        assert IPv6Network(address_key(str(neighbour))) == network
    else:
        assert address_key(str(neighbour)) == str(neighbour.ipv4_mapped)


@given(st.binary(max_size=140))
def test_valid_request_ids_are_harmless(value: bytes) -> None:
    """A valid id is not empty and needs no escaping in JSON, HTML or a header."""
    if valid_request_id(value):
        assert json.dumps(value.decode()) == f'"{value.decode()}"'
        assert not set(value) & set(b" <>&'\"\\,;")
        assert 1 <= len(value) <= 128


@pytest.mark.parametrize("unit", [b'"\\', b'\\"', b'"', b'",', b",", b'a="\\"', b" ;", b"; ", b"="])
def test_hostile_lists_take_linear_work(unit: bytes) -> None:
    """Repetitions that make careless patterns backtrack are read in time.

    A quadratic reading of this many bytes takes many minutes and runs into the test's timeout.
    """
    value = unit * (500_000 // len(unit))
    assert b",".join(split_quoted(value, b",")) == value
    assert parse_cache_control([value]) == NO_DIRECTIVES
    assert parse_quality_list(value) == ()


@pytest.mark.parametrize("unit", [b"/.", b"/..", b"%2e", b"%c3%a9", b"/a/..", b"a.", b"..;", b"."])
def test_hostile_paths_take_linear_work(unit: bytes) -> None:
    """The same for targets, of any form, and for hosts."""
    value = unit * (500_000 // len(unit))
    for raw in (value, b"/" + value, b"http://" + value, b"http://a/" + value + b"\\"):
        assert isinstance(
            parse_target(raw, "GET", path_policy=PathPolicy()), Target | TargetProblem
        )
    assert normalise_authority(value, scheme="http") is None
