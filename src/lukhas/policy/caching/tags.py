"""Tags of responses: groups (RFC 9875) and surrogate keys, by which they are purged together."""

from typing import TypeAlias

from lukhas.http.headers import Headers
from lukhas.http.structured_reading import parse_string_list
from lukhas.policy.caching.invalidation import SAFE_METHODS

__all__ = ("Tags", "invalidated_groups", "tags_of")

Tags: TypeAlias = frozenset[str]
"""Case-sensitive names."""

# RFC 9875 section 2: at least 32 groups of 32 characters must be possible; far more would let one
# response fill the index of the store.
_MAX_TAGS = 128
_MAX_TAG_LENGTH = 256


def tags_of(response: Headers) -> Tags:
    """The tags that a response is stored with: its Cache-Groups and its Surrogate-Key.

    Cache-Groups that are no list of strings say nothing (RFC 9875 section 2). What is longer than
    256 characters, and all beyond the first 128 tags, is left out.
    """
    found: dict[str, None] = {}
    lines = response.get_all(b"cache-groups")
    if lines:
        found.update(dict.fromkeys(parse_string_list(lines) or ()))
    for line in response.get_all(b"surrogate-key"):
        found.update(dict.fromkeys(line.decode("latin-1").split()))
    usable = [tag for tag in found if 0 < len(tag) <= _MAX_TAG_LENGTH]
    return frozenset(usable[:_MAX_TAGS])


def invalidated_groups(method: str, status: int, response: Headers) -> Tags:
    """The groups that a response to an unsafe request makes invalid, within its own origin.

    Cache-Group-Invalidation is ignored on answers to safe methods (RFC 9875 section 3) and on
    failures, which changed nothing.
    """
    lines = response.get_all(b"cache-group-invalidation")
    if not lines or method in SAFE_METHODS or not 200 <= status < 400:
        return frozenset()
    return frozenset((parse_string_list(lines) or ())[:_MAX_TAGS])
