"""Request targets and the one normal form of a path (RFC 9112 section 3.2, RFC 3986 section 6.2).

Routes, limits, inspection, cache keys and upstreams all see the path that is made here, so that no
two of them can read it differently.
"""

import re
from dataclasses import dataclass
from typing import Literal

from lukhas.http.authority import normalise_authority

__all__ = ("PathPolicy", "Target", "TargetProblem", "parse_target")


@dataclass(frozen=True, slots=True, kw_only=True)
class PathPolicy:
    """What to do with paths that different servers read differently.

    Attributes:
        encoded_slash: `%2F` and `%5C` in a path: refuse the request, or keep them encoded.
        dot_segments: `.` and `..` segments (`%2e` too): resolve them, or refuse the request.
            Whatever is chosen, a path that climbs above the root is refused.
    """

    encoded_slash: Literal["reject", "keep"] = "reject"
    dot_segments: Literal["resolve", "reject"] = "resolve"


@dataclass(slots=True)
class Target:
    """What a request asks for. Treated as a value; not frozen because it is made once a request.

    Attributes:
        path: the normal form, starting with `/`; `*` for OPTIONS of the whole server; empty for
            CONNECT.
        query: what follows the first `?`, untouched; empty where there is none.
        authority: the normalised authority of an absolute or authority form, else None. It
            overrides the Host field (RFC 9112 section 3.2.2).
    """

    path: bytes
    query: bytes
    authority: bytes | None


@dataclass(frozen=True, slots=True)
class TargetProblem:
    """A target that is refused, to be answered with 400.

    Attributes:
        reason: one clause for the client; holds nothing of the target.
    """

    reason: str


# Path and query of a target with nothing to normalise, apart from dot segments: those show as "/.".
_match_plain = re.compile(rb"(/[A-Za-z0-9._~!$&'()*+,;=:@/-]*)(?:\?([!-\"$-~]*))?").fullmatch
_match_absolute = re.compile(rb"(https?)://([^/?]*)([^?]*)(?:\?(.*))?", re.IGNORECASE).fullmatch
_find_forbidden = re.compile(rb"[^!-\"$-~]").search
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ENCODED_SLASHES = (b"%2F", b"%5C")
# Dot segments that some servers see only after a second look: `..;x`, or beside a kept `%2F`.
_find_disguised_dots = re.compile(
    rb"(?:/|%2F|%5C)\.\.?(?:;|%3B|%2F|%5C)|(?:%2F|%5C)\.\.?(?:/|\Z)"
).search

# For each byte that may stand for itself or as an escape: its one normal form.
_NORMAL_ESCAPES = {
    b"%02X" % byte: bytes((byte,)) if byte in _UNRESERVED else b"%%%02X" % byte
    for byte in range(256)
}


def parse_target(target: bytes, method: str, *, path_policy: PathPolicy) -> Target | TargetProblem:
    """Reads the second word of a request line (RFC 9112 section 3.2).

    Takes the origin form, the absolute form of http and https, `*` for OPTIONS alone, and the
    authority form for CONNECT alone. Refuses fragments, white space, control and non-ASCII bytes,
    and in the path: backslashes, broken escapes, `%00`, and escapes that are not UTF-8.

    The path is normalised: escapes of unreserved characters decoded once, the others with upper
    case digits, dot segments resolved. Empty segments (`//`) stay: they mean something (RFC 3986
    section 3.3). The query stays as it is.

    Args:
        target: the raw bytes.
        method: in upper case, e.g. `"GET"`.
        path_policy: what to do with paths that servers read differently.
    """
    match = _match_plain(target)
    if match is not None and method != "CONNECT":
        path, query = match.groups(b"")
        if b"/." not in path:
            return Target(path, query, None)
    return _parse_unusual(target, method, path_policy=path_policy)


def _parse_unusual(
    target: bytes, method: str, *, path_policy: PathPolicy
) -> Target | TargetProblem:
    if not target:
        return TargetProblem("the request target is empty")
    forbidden = _find_forbidden(target)
    if forbidden is not None:
        return TargetProblem(_forbidden_reason(forbidden.group()))
    if method == "CONNECT":
        return _authority_form(target)
    if target == b"*":
        if method == "OPTIONS":
            return Target(b"*", b"", None)
        return TargetProblem("the request target * is for OPTIONS only")
    if target[:1] == b"/":
        raw_path, _, query = target.partition(b"?")
        path = _normal_path(raw_path, path_policy)
        return path if isinstance(path, TargetProblem) else Target(path, query, None)
    return _absolute_form(target, method, path_policy=path_policy)


def _forbidden_reason(byte: bytes) -> str:
    if byte == b"#":
        return "the request target holds a fragment"
    if byte >= b"\x80":
        return "the request target holds a non-ASCII byte; it must be percent-encoded"
    return "the request target holds white space or a control byte"


def _authority_form(target: bytes) -> Target | TargetProblem:
    authority = normalise_authority(target, scheme="")
    if authority is None or authority.rpartition(b":")[2].endswith(b"]") or b":" not in authority:
        return TargetProblem("the request target of CONNECT must be host:port")
    return Target(b"", b"", authority)


def _absolute_form(
    target: bytes, method: str, *, path_policy: PathPolicy
) -> Target | TargetProblem:
    match = _match_absolute(target)
    if match is None:
        return TargetProblem("the request target is neither a path nor an http or https URI")
    scheme, raw_authority, raw_path, query = match.groups()
    authority = normalise_authority(raw_authority, scheme=scheme.decode("ascii").lower())
    if authority is None:
        return TargetProblem("the request target has an invalid authority")
    if not raw_path:
        # RFC 9112 section 3.2.4: OPTIONS without path and query means the whole server.
        whole_server = method == "OPTIONS" and query is None
        return Target(b"*" if whole_server else b"/", query or b"", authority)
    path = _normal_path(raw_path, path_policy)
    return path if isinstance(path, TargetProblem) else Target(path, query or b"", authority)


def _normal_path(path: bytes, policy: PathPolicy) -> bytes | TargetProblem:
    if b"\\" in path:
        return TargetProblem("the path holds a backslash")
    if b"%" in path:
        decoded = _normal_escapes(path)
        if isinstance(decoded, TargetProblem):
            return decoded
        path = decoded
        if policy.encoded_slash == "reject" and any(slash in path for slash in _ENCODED_SLASHES):
            return TargetProblem("the path holds an encoded slash or backslash")
    if b"." not in path:
        return path
    if _find_disguised_dots(path) is not None:
        return TargetProblem("the path holds a disguised dot segment")
    return _without_dot_segments(path, policy)


def _normal_escapes(path: bytes) -> bytes | TargetProblem:
    escapes = _ESCAPE.findall(path)
    if b"" in escapes:
        return TargetProblem("the path holds a % that is not followed by two hex digits")
    if b"00" in escapes:
        return TargetProblem("the path holds an encoded NUL")
    try:
        _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode("ascii")), path).decode("utf-8")
    except UnicodeDecodeError:
        return TargetProblem("the path holds escapes that are not UTF-8")
    return _ESCAPE.sub(lambda match: _NORMAL_ESCAPES[match[1].upper()], path)


def _without_dot_segments(path: bytes, policy: PathPolicy) -> bytes | TargetProblem:
    segments = path.split(b"/")[1:]
    if b"." not in segments and b".." not in segments:
        return path
    if policy.dot_segments == "reject":
        return TargetProblem("the path holds a dot segment")
    kept: list[bytes] = []
    for segment in segments:
        if segment == b"..":
            if not kept:
                return TargetProblem("the path climbs above the root")
            kept.pop()
        elif segment != b".":
            kept.append(segment)
    if segments[-1] in {b".", b".."}:
        kept.append(b"")
    return b"/" + b"/".join(kept)
