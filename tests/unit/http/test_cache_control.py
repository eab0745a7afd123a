"""The Cache-Control field."""

import pytest

from lukhas.http.cache_control import MAX_DELTA_S, NO_DIRECTIVES, CacheControl, parse_cache_control


def test_absent_field_has_no_directives() -> None:
    """Without a line the constant comes back, and it says nothing."""
    assert parse_cache_control([]) is NO_DIRECTIVES
    assert CacheControl() == NO_DIRECTIVES
    assert NO_DIRECTIVES.max_age is None
    assert not NO_DIRECTIVES.no_store


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"no-store", CacheControl(no_store=True)),
        (b"no-cache", CacheControl(no_cache=True)),
        (b"private", CacheControl(private=True)),
        (b"public", CacheControl(public=True)),
        (b"must-revalidate", CacheControl(must_revalidate=True)),
        (b"proxy-revalidate", CacheControl(proxy_revalidate=True)),
        (b"must-understand", CacheControl(must_understand=True)),
        (b"no-transform", CacheControl(no_transform=True)),
        (b"only-if-cached", CacheControl(only_if_cached=True)),
        (b"immutable", CacheControl(immutable=True)),
        (b"max-age=0", CacheControl(max_age=0)),
        (b"max-age=60", CacheControl(max_age=60)),
        (b"s-maxage=61", CacheControl(s_maxage=61)),
        (b"min-fresh=62", CacheControl(min_fresh=62)),
        (b"max-stale=63", CacheControl(max_stale=63)),
        (b"max-stale", CacheControl(max_stale_any=True)),
        (b"stale-while-revalidate=64", CacheControl(stale_while_revalidate=64)),
        (b"stale-if-error=65", CacheControl(stale_if_error=65)),
        (b"", NO_DIRECTIVES),
        (b",,  ,", NO_DIRECTIVES),
        (
            b"no-cache, no-store, must-revalidate",
            CacheControl(no_cache=True, no_store=True, must_revalidate=True),
        ),
    ],
)
def test_each_directive(value: bytes, expected: CacheControl) -> None:
    """Every directive sets its own attribute and no other (RFC 9111 section 5.2)."""
    assert parse_cache_control([value]) == expected
    # A line of its own beside it keeps the short cut for usual values out of the way.
    assert parse_cache_control([value, b""]) == expected


def test_lines_are_merged() -> None:
    """Several lines make one list (RFC 9110 section 5.3)."""
    merged = parse_cache_control([b"max-age=60, public", b"no-transform", b"s-maxage=5"])
    assert merged == CacheControl(max_age=60, public=True, no_transform=True, s_maxage=5)


def test_names_ignore_case() -> None:
    """Directive names are case-insensitive (RFC 9111 section 5.2)."""
    assert parse_cache_control([b"MAX-AGE=3, No-StoRe"]) == CacheControl(max_age=3, no_store=True)


def test_unknown_directives_are_ignored() -> None:
    """Extensions and junk change nothing (RFC 9111 section 5.2.3)."""
    value = b'community="UCI", x, =5, ="a", max-age=7, private-ish, no-store-ever=1, \xff'
    assert parse_cache_control([value]) == CacheControl(max_age=7)


def test_flags_keep_their_meaning_with_an_argument() -> None:
    """An argument that a directive does not take is ignored, the directive is not."""
    assert parse_cache_control([b"no-store=0, must-revalidate=x"]) == CacheControl(
        no_store=True, must_revalidate=True
    )


@pytest.mark.parametrize(
    "lines",
    [
        [b"max-age=1800, max-age=1"],
        [b"max-age=1, max-age=1800"],
        [b"max-age=1800", b"max-age=1"],
        [b"max-age=1", b"max-age=1800"],
        [b"max-age=1, max-age=1"],
    ],
)
def test_lowest_of_several_numbers_counts(lines: list[bytes]) -> None:
    """Whatever the order and the lines, the lowest number wins (RFC 9111 section 4.2.1)."""
    assert parse_cache_control(lines) == CacheControl(max_age=1)


@pytest.mark.parametrize(
    "argument",
    [
        b"=a3600",
        b"=3600a",
        b"=-1",
        b"=+1",
        b"=3600.0",
        b"=3600.5",
        b"='3600'",
        b"=",
        b'=""',
        b'="36',
        b'=36"',
        b"= 3600",
        b" =3600",
        b"\t=\t3600",
        b"=3 600",
        b"=3600;x",
        b'="3600 "',
        b"=0x10",
        b"=1_000",
        b"=\xb2",
        b"",
    ],
)
def test_bad_number_counts_as_zero(argument: bytes) -> None:
    """A malformed or missing number means stale (RFC 9111 section 4.2.1)."""
    assert parse_cache_control([b"max-age" + argument]) == CacheControl(max_age=0)


def test_bad_number_wins_over_a_good_one() -> None:
    """It counts as 0, and 0 is the lowest."""
    assert parse_cache_control([b"max-age=60, max-age=x"]) == CacheControl(max_age=0)


@pytest.mark.parametrize(
    "argument", [b'="3600"', b"=003600", b"=00000000000000003600", b'="3\\600"']
)
def test_other_spellings_of_a_number(argument: bytes) -> None:
    """Quoted numbers and leading zeros are read (RFC 9111 section 5.2)."""
    assert parse_cache_control([b"max-age" + argument]) == CacheControl(max_age=3600)


@pytest.mark.parametrize(
    ("digits", "seconds"),
    [
        (b"2147483647", 2**31 - 1),
        (b"2147483648", 2**31),
        (b"2147483649", 2**31),
        (b"9999999999", 2**31),
        (b"10000000000", 2**31),
        (b"10000000001", 2**31),
        (b"9" * 6000, 2**31),
        (b"0" * 6000 + b"5", 5),
        (b"0" * 6000, 0),
    ],
)
def test_large_numbers_are_clamped(digits: bytes, seconds: int) -> None:
    """Nothing above 2**31 is told apart, however long it is (RFC 9111 section 1.2.2)."""
    assert parse_cache_control([b"max-age=" + digits]) == CacheControl(max_age=seconds)
    assert seconds <= MAX_DELTA_S


@pytest.mark.parametrize(
    "value",
    [b'extension="max-age=3600", max-age=1', b'max-age=1, extension="max-age=3600, no-store"'],
)
def test_quoted_directives_are_not_directives(value: bytes) -> None:
    """What stands in a quoted string is data (RFC 9111 section 5.2)."""
    assert parse_cache_control([value]) == CacheControl(max_age=1)


def test_unterminated_quote_hides_no_directive() -> None:
    """A no-store behind a quote that is never closed still counts, on its line and the next."""
    assert parse_cache_control([b'x="a, no-store', b"private"]) == CacheControl(
        no_store=True, private=True
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'no-cache="Set-Cookie"', CacheControl(no_cache_fields=frozenset((b"set-cookie",)))),
        (
            b'private="X-User, X-Token,,"',
            CacheControl(private_fields=frozenset((b"x-user", b"x-token"))),
        ),
        (b"private=x-user", CacheControl(private_fields=frozenset((b"x-user",)))),
        (
            b'private="a", private="b"',
            CacheControl(private_fields=frozenset((b"a", b"b"))),
        ),
        (
            b'no-cache, no-cache="a"',
            CacheControl(no_cache=True, no_cache_fields=frozenset((b"a",))),
        ),
    ],
)
def test_field_names_of_no_cache_and_private(value: bytes, expected: CacheControl) -> None:
    """Names limit the directive to those fields (RFC 9111 sections 5.2.2.4 and 5.2.2.7)."""
    assert parse_cache_control([value]) == expected


@pytest.mark.parametrize("argument", [b"=", b'=""', b'=" , "', b'="a b"', b'= "a"', b'="a, b:c"'])
def test_unreadable_field_names_count_as_none(argument: bytes) -> None:
    """The directive then applies to the whole response, which is the stricter reading."""
    assert parse_cache_control([b"private" + argument]) == CacheControl(private=True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"max-stale, max-stale=5", CacheControl(max_stale=5)),
        (b"max-stale=5, max-stale", CacheControl(max_stale=5)),
        (b"max-stale=x", CacheControl(max_stale=0)),
        (b"max-stale=", CacheControl(max_stale=0)),
        (b"max-stale =5", CacheControl(max_stale=0)),
        (b"max-stale=5, max-stale=3", CacheControl(max_stale=3)),
    ],
)
def test_max_stale_with_and_without_a_number(value: bytes, expected: CacheControl) -> None:
    """The bare form takes any staleness, unless a number says less (RFC 9111 section 5.2.1.2)."""
    assert parse_cache_control([value]) == expected
