"""PROXY headers: whatever comes, in whatever pieces."""

import contextlib
import struct
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from lukhas.http.proxy_header import ProxyHeader, ProxyHeaderError

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
PORTS = st.integers(0, 65_535)


@st.composite
def _headers(draw: st.DrawFn) -> tuple[bytes, str]:
    version = draw(st.sampled_from([4, 6]))
    kind = IPv4Address if version == 4 else IPv6Address
    top = 2**32 - 1 if version == 4 else 2**128 - 1
    source, target = (kind(draw(st.integers(0, top))) for _ in range(2))
    ports = draw(PORTS), draw(PORTS)
    mapped = source.ipv4_mapped if isinstance(source, IPv6Address) else None
    said = str(mapped or source)
    if draw(st.booleans()):
        line = f"PROXY TCP{version} {source} {target} {ports[0]} {ports[1]}\r\n"
        return line.encode(), said
    block = (
        source.packed + target.packed + struct.pack("!HH", *ports) + draw(st.binary(max_size=64))
    )
    family = 0x11 if version == 4 else 0x21
    return SIGNATURE + struct.pack("!BBH", 0x21, family, len(block)) + block, said


@given(_headers(), st.binary(max_size=40), st.lists(st.integers(1, 60), max_size=20))
def test_a_header_is_found_in_any_pieces(
    given_header: tuple[bytes, str], behind: bytes, sizes: list[int]
) -> None:
    """The source comes out, and exactly the header is taken."""
    header, source = given_header
    data = header + behind
    reader = ProxyHeader()
    at = 0
    while not reader.is_whole:
        at += reader.take(data[at : at + (sizes.pop() if sizes else 4096)])
    assert at == len(header)
    assert reader.source == source


@given(
    st.one_of(
        st.binary(min_size=1, max_size=200),
        st.binary(max_size=100).map(lambda rest: b"PROXY " + rest),
        st.binary(max_size=100).map(lambda rest: SIGNATURE + rest),
        st.text("PROXYTCUDKNW46 .:0123456789abcdef\r\n", min_size=1).map(str.encode),
    ),
    st.integers(1, 50),
)
def test_garbage_never_does_harm(data: bytes, size: int) -> None:
    """It is refused, or more is waited for; each take goes on, and nothing else is raised."""
    reader = ProxyHeader()
    with contextlib.suppress(ProxyHeaderError):
        while data and not reader.is_whole:
            taken = reader.take(data[:size])
            assert 0 < taken <= len(data)
            data = data[taken:]
