"""The Cookie field of a request (RFC 6265 section 4.2)."""

from lukhas.http.headers import HeaderPairs

__all__ = ("without_cookie",)


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
