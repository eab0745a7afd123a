"""Multi-value header fields (RFC 9110 section 5)."""

from collections.abc import Iterable, Iterator

__all__ = ("HOP_BY_HOP", "HeaderPairs", "Headers", "connection_options")

HeaderPairs = list[tuple[bytes, bytes]]

# RFC 9110 section 7.6.1, plus the old Proxy-Connection.
HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    )
)


class Headers:
    """Header fields in the order received, names in lower case, never merged or dropped.

    The object is a value: nobody changes it after it was made. `raw` is shared, not copied.

    Args:
        raw: pairs of lower-case name and value, without surrounding white space.

    Attributes:
        raw: as given.
        left_by: a memo of the cache: the policy by which a response that has these plainly is
            nothing to store.
    """

    __slots__ = ("_first", "left_by", "raw")

    def __init__(self, raw: HeaderPairs) -> None:
        self.raw = raw
        self._first: dict[bytes, bytes] | None = None
        self.left_by: object = None

    @classmethod
    def of(cls, pairs: Iterable[tuple[bytes | str, bytes | str]]) -> "Headers":
        """Makes headers from loose pairs: str is encoded as Latin-1, names are lower-cased."""
        return cls([(_to_bytes(name).lower(), _to_bytes(value)) for name, value in pairs])

    def index(self) -> dict[bytes, bytes]:
        """First value by name; built once. For hot paths, where a call a look-up is too dear."""
        first = self._first
        if first is None:
            first = self._first = dict(self.raw)
            if len(first) != len(self.raw):
                for name, value in reversed(self.raw):
                    first[name] = value
        return first

    def get(self, name: bytes) -> bytes | None:
        """The first value of the field, or None."""
        return self.index().get(name)

    def get_all(self, name: bytes) -> list[bytes]:
        """Every value of the field, in order."""
        return [value for key, value in self.raw if key == name]

    def joined(self, name: bytes) -> bytes | None:
        """All lines of a list field joined by a comma (RFC 9110 section 5.3), or None."""
        values = self.get_all(name)
        return b", ".join(values) if values else None

    def __contains__(self, name: bytes) -> bool:
        return name in self.index()

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(self.raw)

    def __len__(self) -> int:
        return len(self.raw)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.raw == other.raw

    __hash__ = None  # type: ignore[assignment]  # a mutable list inside: not a key

    def __repr__(self) -> str:
        # Values may hold credentials, so only the names are shown.
        return f"Headers({[name.decode('latin-1') for name, _ in self.raw]})"

    def without(self, names: Iterable[bytes]) -> "Headers":
        """A copy that lacks these fields."""
        dropped = frozenset(names)
        return Headers([pair for pair in self.raw if pair[0] not in dropped])

    def replaced(self, pairs: HeaderPairs) -> "Headers":
        """A copy in which the fields named in `pairs` have just the values given there."""
        dropped = {name for name, _ in pairs}
        return Headers([pair for pair in self.raw if pair[0] not in dropped] + pairs)


def connection_options(headers: Headers) -> frozenset[bytes]:
    """The lower-case options listed in Connection (RFC 9110 section 7.6.1)."""
    value = headers.joined(b"connection")
    if value is None:
        return frozenset()
    return frozenset(option for part in value.split(b",") if (option := part.strip().lower()))


def _to_bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")
