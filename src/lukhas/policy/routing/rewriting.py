"""Paths made from the parameters of a route: for rewriting and for redirects."""

import re
from dataclasses import dataclass

from lukhas.errors import ConfigError

__all__ = ("PathPattern", "Redirect", "pattern_of")

_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(:path)?\}")
_START = re.compile(r"(?:https?://[^/{}]+)?/")
_TARGET = re.compile(
    r"(?:https?://[A-Za-z0-9._~-]+(?::[0-9]{1,5})?)?/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*"
)


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A path, or the URL of a path, with places for parameters.

    Attributes:
        pieces: the text around the places, one more than there are places.
        places: which parameter of the route comes where.
    """

    pieces: tuple[bytes, ...]
    places: tuple[int, ...]

    def filled(self, params: tuple[bytes, ...]) -> bytes:
        """The path with the parameters in, which stay encoded as they came.

        It never begins with two slashes: a browser would take what follows for a host.
        """
        if not self.places:
            return self.pieces[0]
        parts = [self.pieces[0]]
        for piece, place in zip(self.pieces[1:], self.places, strict=True):
            parts += (params[place], piece)
        made = b"".join(parts)
        return b"/" + made.lstrip(b"/") if made.startswith(b"//") else made


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where clients are sent.

    Attributes:
        to: where.
        status: 301, 302, 303, 307 or 308.
    """

    to: PathPattern
    status: int = 308

    def location(self, params: tuple[bytes, ...], query: bytes) -> bytes:
        """The value of Location; the query goes along."""
        target = self.to.filled(params)
        return target + b"?" + query if query else target


def pattern_of(text: str, template: str) -> PathPattern:
    """Reads a pattern such as `/v2/items/{id}` for a route such as `/items/{id}`.

    Args:
        text: the pattern.
        template: the path of the route, which names the parameters.

    Raises:
        ConfigError: it is no path, or names a parameter that the route has not.
    """
    names = [match.group(1) for match in _PARAMETER.finditer(template)]
    pieces: list[str] = []
    places: list[int] = []
    at = 0
    for match in _PARAMETER.finditer(text):
        if match.group(1) not in names:
            known = ", ".join(names) or "none"
            what = f"{text!r} names the parameter {match.group(1)!r}, which the path has not"
            raise ConfigError(what, hint=f"use one of its parameters: {known}")
        pieces.append(text[at : match.start()])
        places.append(names.index(match.group(1)))
        at = match.end()
    pieces.append(text[at:])
    # No parameter may be a part of the host: a client could send others anywhere.
    starts_well = _START.match(pieces[0]) and not pieces[0].startswith("//")
    if not starts_well or not _TARGET.fullmatch("x".join(pieces)):
        hint = 'write it like "/v2/items/{id}", or a whole URL for a redirect'
        raise ConfigError(f"{text!r} is not a path", hint=hint)
    return PathPattern(tuple(piece.encode("ascii") for piece in pieces), tuple(places))
