"""The form of path templates: `/users/{id}`, `/static/{rest:path}`."""

import re

from lukhas.errors import ConfigError

__all__ = ("template_shape",)

_HOLE = re.compile(r"\{(?P<name>[A-Za-z_][A-Za-z0-9_]{0,63})(?P<rest>:path)?\}")
# RFC 3986 section 3.3: pchar, with percent-encoding checked by its own clause.
_LITERAL = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*")


def template_shape(template: str) -> tuple[str, ...]:
    """The segments of a template with its names taken out; alike templates have equal shapes.

    `*` stands for every path.

    Raises:
        ConfigError: it is no template: it must start with `/`, a `{name}` fills a whole segment,
            `{name:path}` only the last one, and no name comes twice.
    """
    if template == "*":
        return template_shape("/{rest:path}")
    if not template.startswith("/"):
        raise ConfigError(f"the path {template!r} does not start with /", hint="put a / in front")
    segments = template[1:].split("/")
    names: set[str] = set()
    shape: list[str] = []
    for index, segment in enumerate(segments):
        hole = _HOLE.fullmatch(segment)
        if hole is None:
            shape.append(_literal(segment, template))
            continue
        if hole["name"] in names:
            what = f"the path {template!r} holds {{{hole['name']}}} twice"
            raise ConfigError(what, hint="give every part its own name")
        names.add(hole["name"])
        if hole["rest"] and index != len(segments) - 1:
            what = f"the path {template!r} goes on after {segment}"
            raise ConfigError(what, hint="{name:path} takes the whole rest: make it the last part")
        shape.append("{:path}" if hole["rest"] else "{}")
    return tuple(shape)


def _literal(segment: str, template: str) -> str:
    if "{" in segment or "}" in segment or segment == "*":
        what = f"{segment!r} in the path {template!r} is not a part of a template"
        raise ConfigError(what, hint="{name} fills a whole part, {name:path} the rest of the path")
    if not _LITERAL.fullmatch(segment):
        what = f"{segment!r} in the path {template!r} cannot be in a path"
        raise ConfigError(what, hint="percent-encode it, and leave query and fragment out")
    if segment in {".", ".."}:
        raise ConfigError(
            f"the path {template!r} holds {segment!r}", hint="write the path it means"
        )
    return segment
