"""Which role a request to the admin plane needs, and what the audit calls it.

Reading needs `viewer`. What changes something needs `admin`, unless it stands here.
"""

import re
from dataclasses import dataclass
from typing import Final

from lukhas.policy.access.roles import Role

__all__ = ("LOGOUT_PATH", "SAFE_METHODS", "Deed", "deed_of", "listed_deeds")

SAFE_METHODS: Final = frozenset(("GET", "HEAD"))
LOGOUT_PATH: Final = "/logout"


@dataclass(frozen=True, slots=True)
class Deed:
    """What a request does.

    Attributes:
        role: who may do it.
        action: its name in the audit, such as `cache.purge`.
        target: what it is done to; empty if the action says it all.
        changes: whether it changes anything; only that is kept in the audit.
    """

    role: Role
    action: str
    target: str = ""
    changes: bool = True


@dataclass(frozen=True, slots=True)
class _Rule:
    methods: str
    path: str
    role: Role
    action: str
    changes: bool = True


_ITEM = r"/api/v1/config/(?P<target>(?:routes|upstreams)/[^/]+)"
_ALERT = r"/api/v1/alerts/(?P<target>[^/]+)"
_RULES: tuple[_Rule, ...] = (
    _Rule("POST", LOGOUT_PATH, Role.VIEWER, "session.end", changes=False),
    _Rule("POST", r"/api/v1/reload", Role.OPERATOR, "gateway.reload"),
    _Rule("POST", r"/api/v1/upgrade", Role.ADMIN, "gateway.upgrade"),
    _Rule("POST", r"/api/v1/cache/purge", Role.OPERATOR, "cache.purge"),
    _Rule("PUT", r"/api/v1/limits/tiers/(?P<target>[^/]+)", Role.ADMIN, "limits.change"),
    _Rule("DELETE", r"/api/v1/limits/tiers/(?P<target>[^/]+)", Role.ADMIN, "limits.reset"),
    _Rule(
        "POST",
        r"/api/v1/explain/(?P<target>[^/]+)/reevaluate",
        Role.VIEWER,
        "request.reevaluate",
        changes=False,
    ),
    _Rule("POST", r"/api/v1/consumers", Role.ADMIN, "consumer.add"),
    _Rule("PUT", r"/api/v1/consumers/(?P<target>[^/]+)", Role.ADMIN, "consumer.change"),
    _Rule("DELETE", r"/api/v1/consumers/(?P<target>[^/]+)", Role.ADMIN, "consumer.delete"),
    _Rule("POST", r"/api/v1/consumers/(?P<target>[^/]+)/keys", Role.ADMIN, "key.create"),
    _Rule("POST", r"/api/v1/keys/(?P<target>[^/]+)/rotate", Role.ADMIN, "key.rotate"),
    _Rule("DELETE", r"/api/v1/keys/(?P<target>[^/]+)", Role.ADMIN, "key.revoke"),
    _Rule("POST", r"/api/v1/config/validate", Role.VIEWER, "config.validate", changes=False),
    _Rule("POST", r"/api/v1/config/(?P<target>routes|upstreams)", Role.ADMIN, "config.add"),
    _Rule("PUT", _ITEM, Role.ADMIN, "config.put"),
    _Rule("DELETE", _ITEM, Role.ADMIN, "config.delete"),
    _Rule("POST", rf"{_ITEM}/reset", Role.ADMIN, "config.reset"),
    _Rule(
        "PATCH",
        r"/api/v1/config/upstreams/(?P<target>[^/]+/targets/.+)",
        Role.OPERATOR,
        "target.weigh",
    ),
    _Rule(
        "POST",
        r"/api/v1/config/versions/(?P<target>[^/]+)/restore",
        Role.ADMIN,
        "config.restore",
    ),
    _Rule("POST", r"/api/v1/alerts/back-test", Role.VIEWER, "alert.back-test", changes=False),
    _Rule("POST", r"/api/v1/alerts/silences", Role.OPERATOR, "silence.make"),
    _Rule("PUT", r"/api/v1/alerts/silences/(?P<target>[^/]+)", Role.OPERATOR, "silence.change"),
    _Rule("DELETE", r"/api/v1/alerts/silences/(?P<target>[^/]+)", Role.OPERATOR, "silence.end"),
    _Rule("POST", r"/api/v1/alerts/channels/(?P<target>[^/]+)/test", Role.OPERATOR, "channel.test"),
    _Rule(
        "POST", r"/api/v1/alerts/messages/(?P<target>[^/]+)/retry", Role.OPERATOR, "message.retry"
    ),
    _Rule("POST", rf"{_ALERT}/acknowledge", Role.OPERATOR, "alert.acknowledge"),
    _Rule("POST", rf"{_ALERT}/snooze", Role.OPERATOR, "alert.snooze"),
    _Rule("POST", rf"{_ALERT}/unsnooze", Role.OPERATOR, "alert.unsnooze"),
    _Rule("POST", rf"{_ALERT}/resolve", Role.OPERATOR, "alert.resolve"),
    _Rule("POST", rf"{_ALERT}/notes", Role.OPERATOR, "alert.note"),
)


def deed_of(method: str, path: str) -> Deed:
    """What a request does, as far as roles and the audit are concerned."""
    if method in SAFE_METHODS:
        return Deed(Role.VIEWER, "read", path, changes=False)
    for rule in _RULES:
        if rule.methods == method and (match := re.fullmatch(rule.path, path)):
            target = match.groupdict().get("target") or ""
            return Deed(rule.role, rule.action, target, changes=rule.changes)
    return Deed(Role.ADMIN, method.lower(), path)


def listed_deeds() -> tuple[tuple[str, str], ...]:
    """Method and pattern of all that is listed, for tests of the list."""
    return tuple((rule.methods, rule.path) for rule in _RULES)
