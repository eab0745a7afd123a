"""Remembered heads."""

import pytest

from lukhas.gateway.known_heads import KnownHeads
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead

HEAD = RequestHead("GET", "http", b"a.example", b"/", b"", Headers([]))


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many heads are remembered, and none that is long."""
    monkeypatch.setattr("lukhas.gateway.known_heads._MOST", 3)
    known = KnownHeads()
    for number in range(10):
        known.remember(b"%d" % number, HEAD)
        assert known.get(b"%d" % number) is HEAD
        assert len(known) <= 3
    known.remember(b"x" * 10_000, HEAD)
    assert known.get(b"x" * 10_000) is None


def test_memory_is_bounded_in_bytes() -> None:
    """A few hundred long heads are as many as a thousand short ones."""
    known = KnownHeads()
    for number in range(1000):
        known.remember(b"%d " % number + b"x" * 2000, HEAD)
        assert len(known) * 2000 <= 512 * 1024
    assert known.get(b"999 " + b"x" * 2000) is HEAD
