"""The Cookie field of a request (RFC 6265 section 4.2)."""

from lukhas.http.headers import HeaderPairs, Headers

__all__ = ("cookie_value", "without_cookie")


def cookie_value(headers: Headers, name: bytes) -> bytes:
    """The value of the first cookie of this name, as it was sent; empty if there is none."""
    for field in headers.get_all(b"cookie"):
        for pair in field.split(b";"):
            key, _, value = pair.strip().partition(b"=")
            if key == name:
                return value
    return b""


def without_cookie(fields: HeaderPairs, name: bytes) -> HeaderPairs:
    """The fields of a request without one cookie; a Cookie field that is then empty goes too.

    Args:
        fields: all fields, names in lower case.
        name: the name of the cookie; case counts.
    """
    kept: HeaderPairs = []
    for field, value in fields:
        if field != b"cookie":
            kept.append((field, value))
            continue
        pairs = [pair.strip() for pair in value.split(b";")]
        rest = b"; ".join(pair for pair in pairs if pair and pair.partition(b"=")[0] != name)
        if rest:
            kept.append((field, rest))
    return kept
