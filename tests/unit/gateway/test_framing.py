"""The head reader's memory, and its limits."""

import pytest

from lukhas.gateway.framing import FrontLimits, HeadReader, MalformedRequestError


def test_known_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts and targets are remembered, a bounded number of them."""
    monkeypatch.setattr("lukhas.gateway.framing._CACHED_NAMES", 3)
    reader = HeadReader(FrontLimits())
    for number in range(10):
        host = b"h%d.example" % number
        head = reader.read(b"GET", b"/%d" % number, "1.1", [(b"host", host)])
        assert (head.authority, head.path) == (host, b"/%d" % number)
        assert len(reader._authorities) <= 3
        assert len(reader._targets) <= 3


def test_a_known_target_is_checked_against_each_host() -> None:
    """What is remembered of an absolute target excuses no other host."""
    reader = HeadReader(FrontLimits())
    reader.read(b"GET", b"http://a.example/x", "1.1", [(b"host", b"a.example")])
    with pytest.raises(MalformedRequestError) as raised:
        reader.read(b"GET", b"http://a.example/x", "1.1", [(b"host", b"b.example")])
    assert raised.value.fault.status == 400


def test_a_target_known_for_one_method_is_not_for_another() -> None:
    """`*` is for OPTIONS only, known or not."""
    reader = HeadReader(FrontLimits())
    reader.read(b"OPTIONS", b"*", "1.1", [(b"host", b"a.example")])
    with pytest.raises(MalformedRequestError):
        reader.read(b"GET", b"*", "1.1", [(b"host", b"a.example")])


@pytest.mark.parametrize(
    ("server", "routes", "most"),
    [(10, (), 10), (10, (5,), 10), (10, (20, 5), 20), (10, (0,), 0), (0, (20,), 0)],
)
def test_the_largest_body_of_any_route(server: int, routes: tuple[int, ...], most: int) -> None:
    """Before its route is known a body may be as large as any route allows; 0 is no limit."""
    limits = FrontLimits(body_bytes=server, route_body_bytes=frozenset(routes))
    assert limits.most_body_bytes == most
