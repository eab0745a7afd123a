"""Which operation a request asks for."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from lukhas.errors import ConfigError
from lukhas.policy.openapi.operations import Operation

__all__ = ("Found", "OperationPaths")

_PARAMETER = re.compile(r"\{([^{}/]+)\}")


@dataclass(frozen=True, slots=True)
class Found:
    """Where a path leads.

    Attributes:
        operations: by method.
        params: the values of the path's parameters, decoded.
    """

    operations: dict[str, Operation]
    params: dict[str, str]

    def operation(self, method: str) -> Operation | None:
        """The operation; for HEAD that of GET, if there is no other (RFC 9110 section 9.3.2)."""
        found = self.operations.get(method)
        return self.operations.get("GET") if found is None and method == "HEAD" else found


@dataclass(slots=True)
class _Node:
    literals: "dict[str, _Node]" = field(default_factory=dict)
    patterns: "list[tuple[re.Pattern[str], _Node]]" = field(default_factory=list)
    operations: dict[str, Operation] = field(default_factory=dict)
    names: tuple[str, ...] = ()


class OperationPaths:
    """Finds operations by path; a literal segment wins over one with a parameter.

    Args:
        operations: all of them.
        base_path: what comes before each path of the description.

    Raises:
        ConfigError: two paths are alike.
    """

    def __init__(self, operations: Iterable[Operation], *, base_path: str = "") -> None:
        self._root = _Node()
        for operation in operations:
            self._add(operation, base_path)

    def find(self, path: bytes) -> Found | None:
        """Where a percent-encoded path leads; None if nowhere."""
        segments = [unquote(part, errors="replace") for part in path.decode("latin-1").split("/")]
        found = _search(self._root, segments, 0, ())
        if found is None:
            return None
        node, values = found
        return Found(node.operations, dict(zip(node.names, values, strict=True)))

    def _add(self, operation: Operation, base_path: str) -> None:
        node = self._root
        template = base_path + operation.template
        for segment in template.split("/"):
            if "{" in segment:
                node = _branch(node, segment)
            else:
                node = node.literals.setdefault(segment, _Node())
        names = tuple(_PARAMETER.findall(template))
        if operation.method in node.operations or (node.operations and node.names != names):
            raise ConfigError(
                f"{operation.method} {operation.template} is there twice, by other names",
                where="/paths",
                hint="keep one of the paths",
            )
        node.operations[operation.method] = operation
        node.names = names


def _branch(node: _Node, segment: str) -> _Node:
    parts = _PARAMETER.split(segment)
    text = "(.+)".join(re.escape(part) for part in parts[::2])
    for pattern, child in node.patterns:
        if pattern.pattern == text:
            return child
    child = _Node()
    node.patterns.append((re.compile(text, re.DOTALL), child))
    # Those with the most fixed text first.
    node.patterns.sort(key=lambda each: -len(each[0].pattern))
    return child


def _search(
    node: _Node, segments: list[str], at: int, values: tuple[str, ...]
) -> tuple[_Node, tuple[str, ...]] | None:
    if at == len(segments):
        return (node, values) if node.operations else None
    child = node.literals.get(segments[at])
    if child is not None:
        found = _search(child, segments, at + 1, values)
        if found is not None:
            return found
    for pattern, child in node.patterns:
        match = pattern.fullmatch(segments[at])
        if match is not None:
            found = _search(child, segments, at + 1, (*values, *match.groups()))
            if found is not None:
                return found
    return None
