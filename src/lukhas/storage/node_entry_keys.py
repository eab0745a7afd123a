"""How the entries of a node are named in its file, and what they take there."""

from hashlib import blake2b

from lukhas.policy.caching.keys import ResourceKey
from lukhas.storage.entries import StoredResponse
from lukhas.storage.entry_codec import encode_resource
from lukhas.storage.node_shelf import DIGEST_BYTES

__all__ = ("charge_bytes", "entry_variant", "key_prefix", "tag_digest")

# What the file needs for an entry beside its bytes: tree pages are two thirds full.
_HEAD_BYTES = 12
_PAGE_BYTES = 4096
_INLINE_BYTES = 1900
_SIDE_BYTES = 250


def charge_bytes(packed_bytes: int) -> int:
    """What an entry of so many bytes takes in the file: large values have pages of their own."""
    if packed_bytes <= _INLINE_BYTES:
        return (packed_bytes + _SIDE_BYTES) * 3 // 2
    pages = -(-(packed_bytes + 2 * _HEAD_BYTES) // _PAGE_BYTES)
    return pages * _PAGE_BYTES + _SIDE_BYTES


def key_prefix(resource: ResourceKey, packed_key: bytes = b"") -> bytes:
    """How the keys of all entries of a resource begin, or of one cache key if that is given."""
    prefix = blake2b(encode_resource(resource), digest_size=DIGEST_BYTES).digest()
    if packed_key:
        prefix += blake2b(packed_key, digest_size=DIGEST_BYTES).digest()
    return prefix


def entry_variant(entry: StoredResponse) -> bytes:
    """What tells a variant from others of its key; the same for one that takes its place."""
    selecting = repr((entry.vary, entry.selected_by)).encode()
    return blake2b(selecting, digest_size=8).digest()


def tag_digest(tag: str) -> bytes:
    """What a tag is kept under; one that is the same for another tag only costs a look."""
    return blake2b(tag.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()
