"""Cross-origin resource sharing, as the Fetch standard has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lukhas.errors import ConfigError
from lukhas.policy.cors import CorsPolicy, actual_fields, parse_origin, preflight_fields
from lukhas.policy.modes import Mode

APP = b"https://app.example.com"
POLICY = CorsPolicy(
    Mode.ENFORCE,
    ("https://app.example.com", "https://*.example.org"),
    methods=("PUT",),
    headers=("X-Token", "Content-Type"),
    exposed=("RateLimit",),
)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (APP, True),
        (b"HTTPS://APP.EXAMPLE.COM", True),
        (b"http://app.example.com", False),
        (b"https://app.example.com:444", False),
        (b"https://app.example.com.evil.test", False),
        (b"https://a.example.org", True),
        (b"https://a.b.example.org", True),
        (b"https://example.org", False),
        (b"https://evilexample.org", False),
        (b"http://a.example.org", False),
        (b"null", False),
        (b"", False),
        (b"https://\xff.example.org", False),
    ],
)
def test_an_origin_is_allowed_whole(origin: bytes, allowed: bool) -> None:
    """Scheme, host and port; a wildcard is for hosts below, and the dot belongs to it."""
    assert POLICY.allows(origin) is allowed


def test_every_origin_is_a_star() -> None:
    """Which is the same for all, so that caches may share it."""
    policy = CorsPolicy(Mode.ENFORCE, ("*",))
    assert actual_fields(policy, b"null") == [(b"access-control-allow-origin", b"*")]
    assert actual_fields(policy, None) == []


def test_credentials_for_every_origin_are_refused() -> None:
    """It would let every site act as the user."""
    with pytest.raises(ConfigError, match="every origin"):
        CorsPolicy(Mode.ENFORCE, ("*",), credentials=True)


def test_an_answer_says_that_it_depends_on_the_origin() -> None:
    """Also where there is none, or it is not allowed: a cache must not mix them up."""
    vary = [(b"vary", b"origin")]
    assert actual_fields(POLICY, None) == vary
    assert actual_fields(POLICY, b"https://evil.test") == vary
    assert actual_fields(POLICY, APP) == [
        *vary,
        (b"access-control-allow-origin", APP),
        (b"access-control-expose-headers", b"RateLimit"),
    ]


def test_credentials_are_allowed_by_name() -> None:
    """In answers and in preflights."""
    policy = CorsPolicy(Mode.ENFORCE, ("https://app.example.com",), credentials=True)
    allowed = (b"access-control-allow-credentials", b"true")
    assert allowed in actual_fields(policy, APP)
    assert allowed in (preflight_fields(policy, APP, b"GET", None) or [])


@pytest.mark.parametrize(
    ("origin", "method", "headers", "allowed"),
    [
        (APP, b"PUT", b"x-token, content-type", True),
        (APP, b"GET", None, True),
        (APP, b"POST", b"X-TOKEN", True),
        (APP, b"DELETE", None, False),
        (APP, b"PUT", b"x-other", False),
        (b"https://evil.test", b"GET", None, False),
    ],
)
def test_a_preflight_is_judged_by_origin_method_and_fields(
    origin: bytes, method: bytes, headers: bytes | None, allowed: bool
) -> None:
    """All of them."""
    assert (preflight_fields(POLICY, origin, method, headers) is not None) is allowed


def test_a_preflight_is_answered() -> None:
    """With what is allowed, for how long, and what the answer depends on."""
    assert preflight_fields(POLICY, APP, b"PUT", b"x-token") == [
        (b"access-control-allow-origin", APP),
        (b"access-control-allow-methods", b"PUT"),
        (b"access-control-allow-headers", b"content-type, x-token"),
        (b"access-control-max-age", b"600"),
        (
            b"vary",
            b"origin, access-control-request-method, access-control-request-headers",
        ),
    ]


def test_without_lists_what_is_asked_for_is_allowed() -> None:
    """Of an origin that is allowed."""
    policy = CorsPolicy(Mode.ENFORCE, ("https://app.example.com",))
    fields = dict(preflight_fields(policy, APP, b"PATCH", b"X-A,x-b ,") or [])
    assert fields[b"access-control-allow-methods"] == b"PATCH"
    assert fields[b"access-control-allow-headers"] == b"x-a, x-b"


@pytest.mark.parametrize(
    "text",
    ["", "example.com", "https://", "https://*", "https://a/b", "https://a.*.com", "a b://c"],
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    """With how to write one."""
    with pytest.raises(ConfigError, match="is not an origin"):
        parse_origin(text)


@given(st.binary(max_size=60))
def test_no_origin_breaks_anything(origin: bytes) -> None:
    """Whatever a client sends."""
    assert POLICY.allows(origin) in {True, False}
    assert isinstance(actual_fields(POLICY, origin), list)
