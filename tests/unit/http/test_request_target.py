"""Request targets and path normalisation."""

import pytest

from lukhas.http.request_target import PathPolicy, Target, TargetProblem, parse_target

DEFAULT = PathPolicy()
KEEP_SLASH = PathPolicy(encoded_slash="keep")
NO_DOTS = PathPolicy(dot_segments="reject")


def path_of(raw: bytes, policy: PathPolicy = DEFAULT) -> bytes:
    target = parse_target(raw, "GET", path_policy=policy)
    assert isinstance(target, Target), target
    return target.path


def reason_of(raw: bytes, *, method: str = "GET", policy: PathPolicy = DEFAULT) -> str:
    problem = parse_target(raw, method, path_policy=policy)
    assert isinstance(problem, TargetProblem), problem
    return problem.reason


@pytest.mark.parametrize(
    ("raw", "path", "query"),
    [
        (b"/", b"/", b""),
        (b"/a/b-c_d.e~f", b"/a/b-c_d.e~f", b""),
        (b"/a?", b"/a", b""),
        (b"/a?x=1&y=%zz?/../\\|{}", b"/a", b"x=1&y=%zz?/../\\|{}"),
        (b"/a!$&'()*+,;=:@/b", b"/a!$&'()*+,;=:@/b", b""),
        (b"//a//b/", b"//a//b/", b""),
        (b"/.well-known/x?q", b"/.well-known/x", b"q"),
        (b"/a/.../b", b"/a/.../b", b""),
        (b"/a..b/c.", b"/a..b/c.", b""),
        (b"/a[1]|{x}", b"/a[1]|{x}", b""),
    ],
)
def test_origin_form(raw: bytes, path: bytes, query: bytes) -> None:
    """A path with an optional query; neither changes if it is normal (RFC 9112 section 3.2.1)."""
    assert parse_target(raw, "GET", path_policy=DEFAULT) == Target(path, query, None)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/%61%7E%2d", b"/a~-"),
        (b"/%c3%a9", b"/%C3%A9"),
        (b"/a%20b%3f%23", b"/a%20b%3F%23"),
        (b"/%41.%2541", b"/A.%2541"),
        (b"/%252e%252e/x", b"/%252e%252e/x"),
        (b"/%25%32%66", b"/%252f"),
        (b"/%F0%9F%98%80", b"/%F0%9F%98%80"),
    ],
)
def test_escapes(raw: bytes, path: bytes) -> None:
    """Unreserved ones are decoded once, the others get upper-case digits (RFC 3986 6.2.2)."""
    assert path_of(raw) == path


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/a/./b", b"/a/b"),
        (b"/a/../b", b"/b"),
        (b"/a/b/..", b"/a/"),
        (b"/a/b/.", b"/a/b/"),
        (b"/.", b"/"),
        (b"/a/..", b"/"),
        (b"/a/%2e%2E/b", b"/b"),
        (b"/a/.%2e/b", b"/b"),
        (b"/%2e/a", b"/a"),
        (b"/a/b/c/./../../g", b"/a/g"),
        (b"/a//../b", b"/a/b"),
        (b"//..", b"/"),
    ],
)
def test_dot_segments_are_resolved(raw: bytes, path: bytes) -> None:
    """Also when their dots are escaped (RFC 3986 section 5.2.4)."""
    assert path_of(raw) == path


@pytest.mark.parametrize("raw", [b"/..", b"/../a", b"/a/../../b", b"/%2e%2e/a", b"/./.."])
def test_path_above_the_root_is_refused(raw: bytes) -> None:
    """RFC 3986 would stop at the root; a path that tries to leave it is an attack."""
    assert reason_of(raw) == "the path climbs above the root"


@pytest.mark.parametrize("raw", [b"/a/./b", b"/a/../b", b"/%2e/a", b"/a/.."])
def test_dot_segments_may_be_refused(raw: bytes) -> None:
    """With the policy `reject` no dot segment passes; names with dots do."""
    assert reason_of(raw, policy=NO_DOTS) == "the path holds a dot segment"
    assert path_of(b"/.well-known/a..b/...", NO_DOTS) == b"/.well-known/a..b/..."


@pytest.mark.parametrize("raw", [b"/a%2fb", b"/a%2Fb", b"/a%5cb", b"/a%5Cb"])
def test_encoded_slashes_are_refused(raw: bytes) -> None:
    """Servers disagree on them, so the default is to refuse."""
    assert reason_of(raw) == "the path holds an encoded slash or backslash"


@pytest.mark.parametrize(
    ("raw", "path"), [(b"/a%2fb", b"/a%2Fb"), (b"/a%5cb", b"/a%5Cb"), (b"/..a%2f", b"/..a%2F")]
)
def test_encoded_slashes_may_be_kept(raw: bytes, path: bytes) -> None:
    """With the policy `keep` they stay encoded: they are not separators."""
    assert path_of(raw, KEEP_SLASH) == path


@pytest.mark.parametrize(
    "raw",
    [
        b"/a/..;/b",
        b"/a/.;x/b",
        b"/a/%2e%2e;/b",
        b"/a/..%3b/b",
        b"/a/..%2fb",
        b"/a%2f..%2fb",
        b"/a%2f../b",
        b"/a%2f..",
        b"/a%5c.",
        b"/a/..%5cb",
    ],
)
def test_disguised_dot_segments_are_refused(raw: bytes) -> None:
    """Dots beside `;` or a kept slash are dot segments to some servers."""
    assert reason_of(raw, policy=KEEP_SLASH) == "the path holds a disguised dot segment"


@pytest.mark.parametrize("raw", [b"/%", b"/%4", b"/%zz", b"/%%41", b"/%2%66", b"/a%u0041"])
def test_broken_escapes_are_refused(raw: bytes) -> None:
    """A % needs two hex digits (RFC 3986 section 2.1)."""
    assert reason_of(raw) == "the path holds a % that is not followed by two hex digits"


def test_encoded_nul_is_refused() -> None:
    """Some servers end the path there."""
    assert reason_of(b"/a%00.png") == "the path holds an encoded NUL"


@pytest.mark.parametrize(
    "raw",
    [b"/%c0%af", b"/%c0%ae", b"/%e0%80%af", b"/%ff", b"/%c3", b"/%c3x", b"/%ed%a0%80", b"/%f8%88"],
)
def test_escapes_that_are_not_utf_8_are_refused(raw: bytes) -> None:
    """Overlong forms, surrogates and cut sequences hide other characters (RFC 3629 section 3)."""
    assert reason_of(raw) == "the path holds escapes that are not UTF-8"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "the request target is empty"),
        (b"/a#b", "the request target holds a fragment"),
        (b"/a?b#c", "the request target holds a fragment"),
        (b"http://a.example/#", "the request target holds a fragment"),
        (b"/a b", "the request target holds white space or a control byte"),
        (b"/a?b c", "the request target holds white space or a control byte"),
        (b"/a\t", "the request target holds white space or a control byte"),
        (b"/a\n", "the request target holds white space or a control byte"),
        (b"/a\x00", "the request target holds white space or a control byte"),
        (b"/a\x7f", "the request target holds white space or a control byte"),
        (
            b"/\xc3\xa9",
            "the request target holds a non-ASCII byte; it must be percent-encoded",
        ),
        (
            b"/a?\x80",
            "the request target holds a non-ASCII byte; it must be percent-encoded",
        ),
        (b"/a\\b", "the path holds a backslash"),
        (b"/a\\..\\b?x", "the path holds a backslash"),
        (b"*", "the request target * is for OPTIONS only"),
        (b"a", "the request target is neither a path nor an http or https URI"),
        (b"?a", "the request target is neither a path nor an http or https URI"),
        (b"*/a", "the request target is neither a path nor an http or https URI"),
        (b"a.example:80", "the request target is neither a path nor an http or https URI"),
        (b"ftp://a/", "the request target is neither a path nor an http or https URI"),
        (b"http:/a", "the request target is neither a path nor an http or https URI"),
        (b"http:///a", "the request target has an invalid authority"),
        (b"http://u:p@a/", "the request target has an invalid authority"),
        (b"http://a:0/", "the request target has an invalid authority"),
        (b"http://a.example/../b", "the path climbs above the root"),
    ],
)
def test_refused_targets(raw: bytes, reason: str) -> None:
    """Each refusal says why."""
    assert reason_of(raw) == reason


@pytest.mark.parametrize(
    ("raw", "target"),
    [
        (b"http://A.Example/b?c", Target(b"/b", b"c", b"a.example")),
        (b"HTTPS://a.example:443/", Target(b"/", b"", b"a.example")),
        (b"http://a.example:443/", Target(b"/", b"", b"a.example:443")),
        (b"http://a.example", Target(b"/", b"", b"a.example")),
        (b"http://a.example?x/y", Target(b"/", b"x/y", b"a.example")),
        (b"http://[::1]:8000/%7ea/../b", Target(b"/b", b"", b"[::1]:8000")),
    ],
)
def test_absolute_form(raw: bytes, target: Target) -> None:
    """The authority is normalised and returned with the path (RFC 9112 section 3.2.2)."""
    assert parse_target(raw, "GET", path_policy=DEFAULT) == target


@pytest.mark.parametrize(
    ("raw", "target"),
    [
        (b"*", Target(b"*", b"", None)),
        (b"http://a.example", Target(b"*", b"", b"a.example")),
        (b"http://a.example?", Target(b"/", b"", b"a.example")),
        (b"http://a.example/", Target(b"/", b"", b"a.example")),
        (b"/a", Target(b"/a", b"", None)),
    ],
)
def test_options_may_ask_the_whole_server(raw: bytes, target: Target) -> None:
    """`*`, or a URI without path and query (RFC 9112 section 3.2.4)."""
    assert parse_target(raw, "OPTIONS", path_policy=DEFAULT) == target


@pytest.mark.parametrize(
    ("raw", "authority"),
    [(b"A.example:443", b"a.example:443"), (b"[::1]:80", b"[::1]:80"), (b"a:80", b"a:80")],
)
def test_connect_takes_an_authority(raw: bytes, authority: bytes) -> None:
    """Host and port, the port always kept (RFC 9112 section 3.2.3)."""
    assert parse_target(raw, "CONNECT", path_policy=DEFAULT) == Target(b"", b"", authority)


@pytest.mark.parametrize("raw", [b"/", b"*", b"a.example", b"[::1]", b"a:", b"http://a/", b"u@a:1"])
def test_connect_takes_nothing_else(raw: bytes) -> None:
    """Any other form is refused for CONNECT."""
    assert reason_of(raw, method="CONNECT") == "the request target of CONNECT must be host:port"
