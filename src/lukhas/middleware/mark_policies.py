"""The limits that marks ask for, as policies."""

import re
from collections.abc import Iterable, Iterator

from lukhas.errors import ConfigError
from lukhas.middleware.marks import LimitMark, Mark
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.dimensions import Dimension
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.policies import LimitPolicy

__all__ = ("policies_of",)

_NOT_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_MAX_NAME_CHARS = 48


def policies_of(
    marks: Iterable[Mark], endpoint_name: str, *, route: str, taken: frozenset[str]
) -> tuple[LimitPolicy, ...]:
    """The limit policies of a route, named so that no two limits that apply have one name.

    Args:
        marks: the marks of the route.
        endpoint_name: what limits without a name are named after.
        route: the name of the route.
        taken: names of limits that they must not be given.

    Raises:
        ConfigError: a name that a mark was given is taken.
    """
    used: set[str] = set()
    policies: list[LimitPolicy] = []
    for mark in marks:
        if not isinstance(mark, LimitMark) or mark.mode is Mode.OFF:
            continue
        for name in _names(mark, endpoint_name):
            limits = parse_limits(mark.text, policy=name) if isinstance(mark.text, str) else ()
            clashes = {limit.name for limit in limits} & (used | taken)
            if not clashes:
                break
        else:
            raise ConfigError(
                f"two limits that apply together are named {min(clashes)!r}",
                where=f"route {route!r}",
                hint="give one of them another name",
            )
        used.update(limit.name for limit in limits)
        policies.append(
            LimitPolicy(
                name=name,
                limits=limits,
                mode=mark.mode,
                by=mark.by,
                routes=frozenset((route,)),
                cost=mark.cost,
                limits_for=None if isinstance(mark.text, str) else mark.text,
                cost_for=mark.cost_for,
            )
        )
    return tuple(policies)


def _names(mark: LimitMark, endpoint_name: str) -> Iterator[str]:
    """What a mark may be called: what it says, else something stable made from the endpoint."""
    if mark.name is not None:
        yield mark.name
        return
    base = _NOT_NAME.sub("-", endpoint_name)[:_MAX_NAME_CHARS].strip("-") or "route"
    yield base
    if mark.by == Dimension.ADDRESS:
        yield f"{base}-address"
    for number in range(2, 100):
        yield f"{base}-{number}"
