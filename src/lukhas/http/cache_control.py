"""The Cache-Control field of requests and responses (RFC 9111 section 5.2)."""

import re
from dataclasses import dataclass

from lukhas.http.list_syntax import split_quoted, unquote

__all__ = ("MAX_DELTA_S", "NO_DIRECTIVES", "CacheControl", "parse_cache_control")

MAX_DELTA_S = 2**31
"""The largest delta-seconds that is told apart (RFC 9111 section 1.2.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheControl:
    """The directives of a message. Which of them mean something depends on who sent it.

    Attributes:
        no_store: see RFC 9111 section 5.2.
        no_cache: the form without field names; `no_cache_fields` holds those of the other form.
        no_cache_fields: field names in lower case.
        private: the form without field names; `private_fields` holds those of the other form.
        private_fields: field names in lower case.
        public: see RFC 9111 section 5.2.
        must_revalidate: see RFC 9111 section 5.2.
        proxy_revalidate: see RFC 9111 section 5.2.
        must_understand: see RFC 9111 section 5.2.
        no_transform: see RFC 9111 section 5.2.
        only_if_cached: see RFC 9111 section 5.2.
        immutable: RFC 8246.
        max_age: seconds; 0 where the number was malformed, None where the directive is absent.
            The same holds for the other numbers.
        s_maxage: seconds.
        min_fresh: seconds.
        max_stale: seconds.
        max_stale_any: `max-stale` without a number, and nowhere one with a number.
        stale_while_revalidate: seconds, RFC 5861.
        stale_if_error: seconds, RFC 5861.
        targeted: whether they come from a targeted field, so that Expires does not count either
            (RFC 9213 section 2.2).
    """

    no_store: bool = False
    no_cache: bool = False
    no_cache_fields: frozenset[bytes] = frozenset()
    private: bool = False
    private_fields: frozenset[bytes] = frozenset()
    public: bool = False
    must_revalidate: bool = False
    proxy_revalidate: bool = False
    must_understand: bool = False
    no_transform: bool = False
    only_if_cached: bool = False
    immutable: bool = False
    max_age: int | None = None
    s_maxage: int | None = None
    min_fresh: int | None = None
    max_stale: int | None = None
    max_stale_any: bool = False
    stale_while_revalidate: int | None = None
    stale_if_error: int | None = None
    targeted: bool = False


NO_DIRECTIVES = CacheControl()
"""What an absent field means."""

# What browsers and most APIs send: known without parsing.
_USUAL = {
    b"": NO_DIRECTIVES,
    b"no-cache": CacheControl(no_cache=True),
    b"no-store": CacheControl(no_store=True),
    b"max-age=0": CacheControl(max_age=0),
    b"private": CacheControl(private=True),
    b"no-cache, no-store, must-revalidate": CacheControl(
        no_cache=True, no_store=True, must_revalidate=True
    ),
}

_FLAGS = {
    b"no-store": "no_store",
    b"public": "public",
    b"must-revalidate": "must_revalidate",
    b"proxy-revalidate": "proxy_revalidate",
    b"must-understand": "must_understand",
    b"no-transform": "no_transform",
    b"only-if-cached": "only_if_cached",
    b"immutable": "immutable",
}
_NUMBERS = {
    b"max-age": "max_age",
    b"s-maxage": "s_maxage",
    b"min-fresh": "min_fresh",
    b"max-stale": "max_stale",
    b"stale-while-revalidate": "stale_while_revalidate",
    b"stale-if-error": "stale_if_error",
}
_FIELD_LISTS = {
    b"no-cache": ("no_cache", "no_cache_fields"),
    b"private": ("private", "private_fields"),
}

_is_field_name = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+").fullmatch


def parse_cache_control(headers_values: list[bytes]) -> CacheControl:
    """Reads all Cache-Control lines of a message as one list (RFC 9111 section 5.2).

    Never fails: what is unknown or malformed is ignored, or read in the stricter way.

    - Names are case-insensitive; arguments may be quoted strings (section 5.2).
    - Of several numbers for one directive the lowest counts (section 4.2.1 leaves it open).
    - A missing or malformed number counts as 0, i.e. stale (section 4.2.1). White space beside
      the `=` makes an argument malformed. Numbers above 2**31 count as 2**31 (section 1.2.2).
    - `no-cache` and `private` with an unreadable list of names count as those without one.

    Args:
        headers_values: the value of each line, in order; empty where the field is absent.
    """
    if not headers_values:
        return NO_DIRECTIVES
    if len(headers_values) == 1 and (usual := _USUAL.get(headers_values[0])) is not None:
        return usual
    flags: dict[str, bool] = {}
    numbers: dict[str, int] = {}
    fields: dict[str, frozenset[bytes]] = {}
    for line in headers_values:
        for member in split_quoted(line, b","):
            name, argument = _name_and_argument(member)
            if (flag := _FLAGS.get(name)) is not None:
                flags[flag] = True
            elif (number := _NUMBERS.get(name)) is not None:
                _add_number(number, argument, flags=flags, numbers=numbers)
            elif (field_list := _FIELD_LISTS.get(name)) is not None:
                flag, names_key = field_list
                names = _field_names(argument)
                if names:
                    fields[names_key] = fields.get(names_key, frozenset()) | names
                else:
                    flags[flag] = True
    if "max_stale" in numbers:
        flags.pop("max_stale_any", None)
    return CacheControl(**flags, **numbers, **fields)  # type: ignore[arg-type]  # keys are ours


def _name_and_argument(member: bytes) -> tuple[bytes, bytes | None]:
    name, equals, argument = member.strip(b" \t").partition(b"=")
    if not equals:
        return name.lower(), None
    bare = name.rstrip(b" \t")
    if len(bare) != len(name):
        argument = b""
    return bare.lower(), argument


def _add_number(
    key: str, argument: bytes | None, *, flags: dict[str, bool], numbers: dict[str, int]
) -> None:
    if argument is None and key == "max_stale":
        flags["max_stale_any"] = True
        return
    seconds = _delta_s(argument or b"")
    previous = numbers.get(key)
    if previous is None or seconds < previous:
        numbers[key] = seconds


def _delta_s(argument: bytes) -> int:
    digits = unquote(argument)
    if not digits.isdigit():
        return 0
    # Longer than any number we tell apart; int() would refuse thousands of digits.
    if len(digits) > 10 and len(digits.lstrip(b"0")) > 10:
        return MAX_DELTA_S
    return min(int(digits[-10:]), MAX_DELTA_S)


def _field_names(argument: bytes | None) -> frozenset[bytes]:
    if argument is None:
        return frozenset()
    names = [name.strip(b" \t").lower() for name in unquote(argument).split(b",")]
    present = frozenset(name for name in names if name)
    return present if all(_is_field_name(name) for name in present) else frozenset()
