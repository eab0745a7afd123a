"""Routes: host, method and path template, and the policies that apply there."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lukhas.errors import ConfigError
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.compression import CompressionPolicy
from lukhas.policy.cors import CorsPolicy
from lukhas.policy.decompression import DecompressionPolicy
from lukhas.policy.routing.best_of import BestOf
from lukhas.policy.routing.fallbacks import Fallback
from lukhas.policy.routing.mirroring import Mirror
from lukhas.policy.routing.rewriting import Redirect
from lukhas.policy.routing.splitting import DEFAULT_UPSTREAM, Split
from lukhas.policy.routing.transformation import Transformation

__all__ = ("RouteMatch", "RouteRule", "RouteTable")

_PARAMETER = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class RouteRule:
    """Which requests, and what applies to them.

    Attributes:
        name: unique among the routes.
        template: the path, where `{name}` stands for one segment and a final `{name:path}` for the
            rest, slashes included; `*` for every path.
        cache: the cache policy.
        hosts: lower-case hosts as in the request's authority; empty for all.
        methods: in upper case; empty for all. GET includes HEAD.
        exempt: whether limits do not apply.
        body_bytes: the largest request body; None for the server's limit.
        cost: what a request costs of each limit that counts requests.
        compression: how its responses are compressed.
        websocket: whether WebSocket connections may be opened.
        cors: which pages of other origins may read its answers.
        transformation: what is changed on the way to the origin and back.
        redirect: where clients are sent instead; None where they are served.
        upstream: the name of the upstream that the requests go to.
        split: several upstreams in its place; None where there is only that one.
        best_of: several upstreams that do the same in its place; None where there are none.
        decompression: how compressed request bodies are decoded.
        timeout_ns: how long the upstream may take to answer, all tries together; 0 for any time,
            None for what its upstream says.
        fallback: what stands in where the upstream cannot answer.
        mirror: where copies of the requests go.
    """

    name: str
    template: str
    cache: CachePolicy
    hosts: frozenset[bytes] = frozenset()
    methods: frozenset[str] = frozenset()
    exempt: bool = False
    body_bytes: int | None = None
    cost: int = 1
    compression: CompressionPolicy = CompressionPolicy()  # noqa: RUF009 - a frozen value
    websocket: bool = False
    cors: CorsPolicy = CorsPolicy()  # noqa: RUF009 - a frozen value
    transformation: Transformation = Transformation()  # noqa: RUF009 - a frozen value
    redirect: Redirect | None = None
    upstream: str = DEFAULT_UPSTREAM
    split: Split | None = None
    best_of: BestOf | None = None
    decompression: DecompressionPolicy = DecompressionPolicy()  # noqa: RUF009 - a frozen value
    timeout_ns: int | None = None
    fallback: Fallback | None = None
    mirror: Mirror | None = None

    def accepts(self, method: str, authority: bytes) -> bool:
        """Whether method and host fit; the path is the table's business."""
        if self.hosts and authority not in self.hosts:
            return False
        if not self.methods or method in self.methods:
            return True
        return method == "HEAD" and "GET" in self.methods


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """A route that a request matched.

    Attributes:
        rule: the route.
        params: the values of the template's parameters, in order, percent-encoded as received.
    """

    rule: RouteRule
    params: tuple[bytes, ...] = ()


@dataclass(slots=True)
class _Node:
    literals: "dict[bytes, _Node]" = field(default_factory=dict)
    one: "_Node | None" = None
    here: list[RouteMatch] = field(default_factory=list)
    rest: list[RouteMatch] = field(default_factory=list)


class RouteTable:
    """Finds the route of a request in time that depends on its path, not on how many routes exist.

    A literal segment wins over a parameter, a parameter over the rest of the path; then a route
    bound to a host wins over one for all hosts, one bound to methods over one for all, and one that
    names HEAD over one that takes it along with GET.

    Args:
        rules: the routes.
        default: applies where no route matches.

    Raises:
        ConfigError: two routes are alike, or a template cannot be read.
    """

    def __init__(self, rules: Iterable[RouteRule], *, default: RouteRule) -> None:
        self.rules = tuple(rules)
        self.default = RouteMatch(default)
        self._root = _Node()
        seen: dict[tuple[object, ...], RouteRule] = {}
        for rule in self.rules:
            shape = _add(self._root, rule)
            for host in rule.hosts or (b"",):
                for method in rule.methods or ("",):
                    other = seen.setdefault((shape, host, method), rule)
                    if other is not rule:
                        raise ConfigError(
                            f"routes {other.name!r} and {rule.name!r} match the same requests",
                            hint="give them different paths, methods or hosts",
                        )
        for node in _walk(self._root):
            node.here.sort(key=_generality)
            node.rest.sort(key=_generality)

    def match(self, method: str, authority: bytes, path: bytes) -> RouteMatch:
        """The route of a request; the default if none matches.

        Args:
            method: in upper case.
            authority: the validated host, with port if one was sent.
            path: the normalised path, without the query.
        """
        if not self.rules:
            return self.default
        segments = path[1:].split(b"/")
        found = _find(self._root, segments, 0, (method, authority))
        if found is None:
            return self.default
        match, params = found
        return RouteMatch(match.rule, params) if params else match


def _generality(match: RouteMatch) -> tuple[bool, bool, bool]:
    rule = match.rule
    return (not rule.hosts, not rule.methods, "HEAD" not in rule.methods)


def _walk(node: _Node) -> Iterator[_Node]:
    yield node
    for child in node.literals.values():
        yield from _walk(child)
    if node.one is not None:
        yield from _walk(node.one)


def _add(root: _Node, rule: RouteRule) -> tuple[bytes, ...]:
    """Puts a rule into the tree and gives the shape of its template, parameters unnamed."""
    if rule.template == "*":
        root.rest.append(RouteMatch(rule))
        return (b"{*}",)
    if not rule.template.startswith("/"):
        raise ConfigError(
            f"path {rule.template!r} does not start with /", where=f"route {rule.name!r}"
        )
    node = root
    shape: list[bytes] = []
    segments = rule.template[1:].split("/")
    for position, segment in enumerate(segments):
        is_parameter = _PARAMETER.fullmatch(segment) is not None
        if is_parameter and segment.endswith(":path}"):
            if position != len(segments) - 1:
                raise ConfigError(
                    f"{segment} in {rule.template!r} is not the last segment",
                    where=f"route {rule.name!r}",
                    hint="only the last segment can stand for the rest of the path",
                )
            node.rest.append(RouteMatch(rule))
            return (*shape, b"{*}")
        if is_parameter:
            node.one = node.one or _Node()
            node = node.one
            shape.append(b"{}")
        elif "{" in segment or "}" in segment:
            raise ConfigError(
                f"segment {segment!r} of {rule.template!r} mixes text and a parameter",
                where=f"route {rule.name!r}",
                hint="a parameter fills a whole segment, like /users/{id}",
            )
        else:
            literal = segment.encode()
            node = node.literals.setdefault(literal, _Node())
            shape.append(literal)
    node.here.append(RouteMatch(rule))
    return tuple(shape)


_Found = tuple[RouteMatch, tuple[bytes, ...]]


def _find(node: _Node, segments: list[bytes], at: int, wanted: tuple[str, bytes]) -> _Found | None:
    if at == len(segments):
        return _accepted(node.here, wanted, ())
    segment = segments[at]
    child = node.literals.get(segment)
    if child is not None:
        found = _find(child, segments, at + 1, wanted)
        if found is not None:
            return found
    if node.one is not None and segment:
        found = _find(node.one, segments, at + 1, wanted)
        if found is not None:
            return found[0], (segment, *found[1])
    if node.rest:
        return _accepted(node.rest, wanted, (b"/".join(segments[at:]),))
    return None


def _accepted(
    matches: list[RouteMatch], wanted: tuple[str, bytes], params: tuple[bytes, ...]
) -> _Found | None:
    method, authority = wanted
    for match in matches:
        if match.rule.accepts(method, authority):
            return match, params
    return None
