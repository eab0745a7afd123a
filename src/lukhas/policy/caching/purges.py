"""What a purge takes away."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from lukhas.errors import ConfigError
from lukhas.http.authority import normalise_authority
from lukhas.policy.caching.keys import CacheKey, ResourceKey
from lukhas.policy.caching.tags import Tags

__all__ = ("Purge", "purge_of_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """Which stored responses are to go: those that fit all that is given; everything if nothing is.

    A plain value, so that it can be sent to other processes and machines as it is.

    Attributes:
        resource: one resource, all its variants and partitions.
        scheme: `http` or `https`; None for both.
        authority: lower case, with the port if it is not the default one; None for all.
        path_prefix: compared bytewise with the path, without the query.
        tag: a tag that the response has.
        soft: the responses stay, but count as stale: they are confirmed or fetched before the next
            use, and serve meanwhile where they may serve stale.
    """

    resource: ResourceKey | None = None
    scheme: str | None = None
    authority: bytes | None = None
    path_prefix: bytes = b"/"
    tag: str | None = None
    soft: bool = False

    def fits(self, key: CacheKey, tags: Tags) -> bool:
        """Whether a response with this key and these tags is to go."""
        return (
            (self.resource is None or key[:4] == self.resource)
            and (self.scheme is None or key[0] == self.scheme)
            and (self.authority is None or key[1] == self.authority)
            and key[2].startswith(self.path_prefix)
            and (self.tag is None or self.tag in tags)
        )


def purge_of_url(url: str, *, prefix: bool = False, soft: bool = False) -> Purge:
    """The purge of one URL, or of every URL that begins with it.

    Args:
        url: such as `https://api.example.com/a?b=c`; the query does not count for a prefix.
        prefix: whether all paths that begin with that of the URL are meant.
        soft: see `Purge`.

    Raises:
        ConfigError: it is not an http URL.
    """
    try:
        parts = urlsplit(url)
        authority = normalise_authority(parts.netloc.encode("ascii"), scheme=parts.scheme)
        path, query = parts.path.encode("ascii") or b"/", parts.query.encode("ascii")
    except ValueError:
        authority, path, query = None, b"", b""
        parts = urlsplit("")
    if authority is None or parts.scheme not in {"http", "https"}:
        raise ConfigError(
            f"{url!r} is not an http URL", hint="write it like https://api.example.com/path"
        )
    if prefix:
        return Purge(scheme=parts.scheme, authority=authority, path_prefix=path, soft=soft)
    return Purge(resource=(parts.scheme, authority, path, query), soft=soft)
