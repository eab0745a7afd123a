"""The strict layer over the parser: which requests may be believed at all.

The parser (llhttp) already refuses folded lines, differing or repeated lengths, a length beside a
transfer coding, bad chunk sizes and control bytes. What it lets pass and this gateway does not is
decided here, before anything else sees the request. Nothing of the raw framing is ever forwarded.
"""

from dataclasses import dataclass

from lukhas.config.serving import ADMIN_SESSION_COOKIE
from lukhas.http.authority import normalise_authority
from lukhas.http.cookies import without_cookie
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.http.request_target import PathPolicy, Target, TargetProblem, parse_target

__all__ = ("Fault", "FrontLimits", "HeadReader", "MalformedRequestError")

_ONCE = (b"host", b"content-length", b"transfer-encoding", b"expect", b"content-type")
_CACHED_NAMES = 4096
_CACHED_TARGET_BYTES = 256
# The upstream has no business with it, and it must not make requests personal for the cache.
_ADMIN_COOKIE = ADMIN_SESSION_COOKIE.encode("ascii")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request is refused before the pipeline; the connection is closed after it.

    Attributes:
        status: the status code of the answer.
        slug: the last part of the problem type.
        detail: what is wrong, for the client.
    """

    status: int
    slug: str
    detail: str


class MalformedRequestError(Exception):
    """Raised out of a parser callback to stop the parser.

    Attributes:
        fault: what is wrong.
    """

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(fault.detail)


@dataclass(frozen=True, slots=True)
class FrontLimits:
    """Limits on everything a client sends.

    Attributes:
        header_bytes: size of a request head, and of the trailers.
        header_count: number of header fields.
        header_timeout_s: a head must be whole this long after its first byte.
        keep_alive_s: how long an idle connection is kept.
        body_bytes: size of a request body; 0 for no limit.
        route_body_bytes: sizes that routes have in place of it.
        body_min_rate_bytes: a body must come at this rate a second at least...
        body_grace_s: ...after so long.
        write_timeout_s: a client must take something of a waiting response within this time.
        drain_s: how long a graceful end waits for requests under way.
        allowed_hosts: the hosts answered for, lower case; empty for all.
        path_policy: what is done with unusual paths.
    """

    header_bytes: int = 32 * 1024
    header_count: int = 100
    header_timeout_s: float = 10.0
    keep_alive_s: float = 60.0
    body_bytes: int = 2**31
    route_body_bytes: frozenset[int] = frozenset()
    body_min_rate_bytes: int = 240
    body_grace_s: float = 5.0
    write_timeout_s: float = 60.0
    drain_s: float = 30.0
    allowed_hosts: frozenset[bytes] = frozenset()
    path_policy: PathPolicy = PathPolicy()  # noqa: RUF009 - a frozen value

    @property
    def most_body_bytes(self) -> int:
        """The largest body that any route takes; 0 for no limit."""
        sizes = self.route_body_bytes | {self.body_bytes}
        return 0 if 0 in sizes else max(sizes)


def _malformed(detail: str, status: int = 400, slug: str = "malformed-request") -> Exception:
    return MalformedRequestError(Fault(status, slug, detail))


class HeadReader:
    """Makes request heads out of what the parser found, or refuses them.

    Hosts and targets repeat, so their normal forms are remembered, a bounded number of them.

    Args:
        limits: the limits.
        scheme: `"http"` or `"https"`.
    """

    def __init__(self, limits: FrontLimits, *, scheme: str = "http") -> None:
        self._limits = limits
        self._scheme = scheme
        self._authorities: dict[bytes, bytes] = {}
        self._targets: dict[tuple[bytes, bytes], Target] = {}
        self._methods: dict[bytes, str] = {}

    def read(
        self, method: bytes, target: bytes, version: str, raw: list[tuple[bytes, bytes]]
    ) -> RequestHead:
        """The head of a request.

        Args:
            method: as sent.
            target: the request target as sent.
            version: the HTTP version, e.g. `"1.1"`.
            raw: the header fields, names in lower case.

        Raises:
            MalformedRequestError: the request cannot be believed, or breaks a limit.
        """
        if version not in {"1.1", "1.0"}:
            raise _malformed(f"HTTP/{version} is not spoken here.", 505, "version-not-supported")
        if len(raw) > self._limits.header_count:
            raise _malformed(
                f"More than {self._limits.header_count} header fields.", 431, "header-too-large"
            )
        headers = Headers(raw)
        index = headers.index()
        if len(index) != len(raw):
            self._check_repeated(headers)
        if version == "1.0" and b"transfer-encoding" in index:
            raise _malformed("Transfer-Encoding in an HTTP/1.0 request.")
        if b"transfer-encoding" in index and (
            b"content-length" in index or index[b"transfer-encoding"].lower() != b"chunked"
        ):
            raise _malformed("The only transfer coding taken is a single 'chunked'.")
        if b"cookie" in index and any(_ADMIN_COOKIE in line for line in headers.get_all(b"cookie")):
            headers = Headers(without_cookie(raw, _ADMIN_COOKIE))
        host = index.get(b"host")
        if host is None:
            raise _malformed("A request must have a Host field.")
        authority = self._authorities.get(host) or self._authority(host)
        known = self._targets.get((method, target)) or self._target(method, target)
        if known.authority is not None and known.authority != authority:
            raise _malformed("The request target and the Host field name different hosts.")
        return RequestHead(
            self._methods[method], self._scheme, authority, known.path, known.query, headers
        )

    def _check_repeated(self, headers: Headers) -> None:
        for name in _ONCE:
            if len(headers.get_all(name)) > 1:
                raise _malformed(f"More than one {name.decode()} field.")

    def _authority(self, host: bytes) -> bytes:
        authority = normalise_authority(host.strip(), scheme=self._scheme)
        if authority is None:
            raise _malformed("The Host field is not a valid host.")
        if self._limits.allowed_hosts and authority not in self._limits.allowed_hosts:
            raise _malformed("This host is not served here.", 421, "misdirected-request")
        if len(self._authorities) >= _CACHED_NAMES:
            self._authorities.clear()
        self._authorities[host] = authority
        return authority

    def _target(self, method: bytes, target: bytes) -> Target:
        name = method.decode("ascii")
        if name == "CONNECT":
            raise _malformed("This is no forward proxy: CONNECT is refused.", 405, "no-connect")
        if name == "TRACE":
            # It would tell the client what routes add for the upstream (RFC 9110 section 9.3.8).
            raise _malformed("TRACE is refused.", 405, "no-trace")
        found = parse_target(target, name, path_policy=self._limits.path_policy)
        if isinstance(found, TargetProblem):
            raise _malformed(f"The request target is refused: {found.reason}.")
        if found.authority is not None:
            authority = normalise_authority(found.authority, scheme=self._scheme)
            if authority is None:
                raise _malformed("The host in the request target is not valid.")
            found = Target(found.path, found.query, authority)
        self._methods[method] = name
        if len(target) <= _CACHED_TARGET_BYTES:
            if len(self._targets) >= _CACHED_NAMES:
                self._targets.clear()
            self._targets[method, target] = found
        return found
