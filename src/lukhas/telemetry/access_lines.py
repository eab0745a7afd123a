"""Lines of the access log: what clients send is escaped, so that none of them can be forged.

Lines are printable ASCII and end in the only line feed that they have. None is longer than 4096
bytes, so that what several processes write to one pipe never gets mixed up (POSIX `PIPE_BUF`).
"""

import json
import re
from collections.abc import Callable, Set
from datetime import UTC, datetime
from ipaddress import IPv4Address, ip_address
from typing import Any, Literal, NamedTuple

import msgspec

from lukhas.policy.explain.redaction import shown_query
from lukhas.telemetry.redaction import without_secrets
from lukhas.units import SECOND_NS

__all__ = ("MAX_LINE_BYTES", "AccessEntry", "AccessLines", "ClientForm", "LineFormat")

LineFormat = Literal["json", "common", "combined"]
ClientForm = Literal["address", "network", "none"]

MAX_LINE_BYTES = 4096
"""A line is not longer than this."""

_ROOM = 700
_SMALL_ROOM = 120
# JSON writes a character as up to 12 bytes, the other formats as up to 16.
_BYTES_OF_CHARACTER = 16
_CUT = "..."
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NOT_PLAIN = re.compile(r"[^!-~]|[\"\\]")
_NOT_QUOTED = re.compile(r"[^ -~]|[\"\\]")
_DELETE = "\x7f"
_encode = msgspec.json.Encoder().encode
_MICROSECOND_NS = 1000
_MILLISECOND_US = 1000


class AccessEntry(NamedTuple):
    """One request that has ended.

    Attributes:
        time_ns: when it arrived (Unix time).
        client: the address of the client.
        consumer: who called, as counted; empty if that is not known, or only the address.
        tier: the tier; may be empty.
        method: as sent.
        host: the host that it named.
        path: percent-encoded.
        query: without `?`.
        protocol: such as `HTTP/1.1`.
        status: of the response.
        body_bytes: of the response body.
        took_ns: to the end of the response.
        route: the template of the route; may be empty.
        cache: the cache result; may be empty.
        upstream: the upstream that it belongs to.
        request_id: as in X-Request-ID.
        trace_id: of its trace; empty if there is none.
        fields: the values of the request fields that are wanted; None for those it has not.
    """

    time_ns: int
    client: str
    consumer: str
    tier: str
    method: str
    host: bytes
    path: bytes
    query: bytes
    protocol: str
    status: int
    body_bytes: int
    took_ns: int
    route: str
    cache: str
    upstream: str
    request_id: bytes
    trace_id: bytes
    fields: tuple[bytes | None, ...]


class AccessLines:
    """Writes entries as lines.

    Args:
        line_format: `json`; or `common`, `combined`: those of the Apache server.
        parameters: query parameters whose values are shown, also in Referer; of others there is
            only the name. None shows all.
        client: the address of clients, or its network (/24, /48), or nothing.
        fields: the names of the request fields that entries have values of.
    """

    def __init__(
        self,
        line_format: LineFormat,
        *,
        parameters: Set[str] | None = frozenset(),
        client: ClientForm = "address",
        fields: tuple[str, ...] = (),
    ) -> None:
        self._parameters = parameters
        self._client_form = client
        self._fields = fields
        self._second = -1
        self._second_text = ""
        self._is_json = line_format == "json"
        self._is_combined = line_format == "combined"
        write: dict[LineFormat, Callable[[AccessEntry, int], str]] = {
            "json": self._json,
            "common": self._apache,
            "combined": self._apache,
        }
        self._write = write[line_format]

    def line(self, entry: AccessEntry) -> bytes:
        """The line of an entry."""
        line = self._write(entry, _ROOM)
        if len(line) > MAX_LINE_BYTES:
            line = self._write(entry, _SMALL_ROOM)
        return line.encode("ascii")

    def _json(self, entry: AccessEntry, room: int) -> str:
        values: dict[str, Any] = {
            "time": self._iso(entry.time_ns),
            "client": self._client(entry.client),
            "consumer": _cut(entry.consumer, room),
            "tier": entry.tier,
            "method": _cut(entry.method, room),
            "host": _cut(_text(entry.host), room),
            "path": _cut(without_secrets(_text(entry.path)), room),
            "query": _cut(self._query(_text(entry.query)), room),
            "protocol": entry.protocol,
            "status": entry.status,
            "bytes": entry.body_bytes,
            "duration_ms": entry.took_ns // _MICROSECOND_NS / _MILLISECOND_US,
            "route": _cut(entry.route, room),
            "cache": entry.cache,
            "upstream": entry.upstream,
            "request_id": _text(entry.request_id),
            "trace_id": _text(entry.trace_id),
        }
        fields = {
            name: _cut(self._field(name, value), room)
            for name, value in zip(self._fields, entry.fields, strict=True)
            if value is not None
        }
        if fields:
            values["fields"] = fields
        line = _encode(values).decode()
        if not line.isascii() or _DELETE in line:
            # DEL is the only character beyond printable ASCII that is then left as it is.
            line = json.dumps(values, separators=(",", ":")).replace(_DELETE, "\\u007f")
        return line + "\n"

    def _apache(self, entry: AccessEntry, room: int) -> str:
        target = without_secrets(_text(entry.path))
        if entry.query:
            target += "?" + self._query(_text(entry.query))
        line = (
            f"{_plain(self._client(entry.client), room) or '-'} - "
            f"{_plain(entry.consumer, room) or '-'} [{self._apache_time(entry.time_ns)}] "
            f'"{_plain(entry.method, room)} {_plain(target, room)} {entry.protocol}" '
            f"{entry.status} {entry.body_bytes or '-'}"
        )
        if self._is_combined:
            known = dict(zip(self._fields, entry.fields, strict=True))
            for name in ("referer", "user-agent"):
                value = known.get(name)
                shown = "-" if value is None else _quoted(self._field(name, value), room)
                line += f' "{shown}"'
        return line + "\n"

    def _field(self, name: str, value: bytes) -> str:
        text = _text(value)
        if name == "referer":
            address, mark, query = text.partition("?")
            text = address + mark + self._query(query)
        return without_secrets(text)

    def _query(self, query: str) -> str:
        if self._parameters is not None:
            query = shown_query(query, self._parameters)
        return without_secrets(query)

    def _client(self, address: str) -> str:
        if self._client_form == "address":
            return address
        return _network(address) if self._client_form == "network" else ""

    def _iso(self, time_ns: int) -> str:
        second, rest_ns = divmod(time_ns, SECOND_NS)
        if second != self._second:
            moment = datetime.fromtimestamp(second, tz=UTC)
            self._second_text = moment.strftime("%Y-%m-%dT%H:%M:%S")
            self._second = second
        return f"{self._second_text}.{rest_ns // _MICROSECOND_NS:06d}Z"

    def _apache_time(self, time_ns: int) -> str:
        second = time_ns // SECOND_NS
        if second != self._second:
            moment = datetime.fromtimestamp(second, tz=UTC)
            # Not by strftime, whose months are those of the locale.
            self._second_text = (
                f"{moment.day:02d}/{_MONTHS[moment.month - 1]}/{moment.year}:"
                f"{moment:%H:%M:%S} +0000"
            )
            self._second = second
        return self._second_text


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def _cut(text: str, room: int) -> str:
    """At most so many bytes, however they are written."""
    length = len(text)
    if length * _BYTES_OF_CHARACTER <= room:
        return text
    # Of these only quote and backslash grow, to two.
    if 2 * length <= room and text.isascii() and text.isprintable():
        return text
    if length + _escapes(text) <= room:
        return text
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text[:room] + _CUT
    return text[: room // _BYTES_OF_CHARACTER] + _CUT


def _escapes(text: str) -> int:
    return (_BYTES_OF_CHARACTER - 1) * len(_NOT_QUOTED.findall(text))


def _plain(text: str, room: int) -> str:
    return _NOT_PLAIN.sub(_escaped, _cut(text, room))


def _quoted(text: str, room: int) -> str:
    return _NOT_QUOTED.sub(_escaped, _cut(text, room))


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    if character in {'"', "\\"}:
        return "\\" + character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))


def _network(address: str) -> str:
    """The network of an address: enough to see where it is, not who."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    bits = 24 if isinstance(parsed, IPv4Address) else 48
    kept = int(parsed) >> (parsed.max_prefixlen - bits) << (parsed.max_prefixlen - bits)
    return f"{type(parsed)(kept)}/{bits}"
