"""What each role may do, and that the list of it is whole."""

import re
from pathlib import Path

import pytest
from fastapi import FastAPI

from lukhas.admin import permissions
from lukhas.admin.__main__ import node_parts
from lukhas.admin.access import AdminToken
from lukhas.admin.app import create_admin_app
from lukhas.admin.parent import Parent
from lukhas.admin.permissions import SAFE_METHODS, Deed, deed_of, listed_deeds
from lukhas.admin.state import AdminState
from lukhas.config.settings import Settings
from lukhas.config.sources import SettingsSources
from lukhas.policy.access.roles import Role
from tests.unit.admin.conftest import TOKEN


@pytest.mark.parametrize(
    ("method", "path", "deed"),
    [
        ("GET", "/api/v1/x", Deed(Role.VIEWER, "read", "/api/v1/x", changes=False)),
        ("HEAD", "/metrics", Deed(Role.VIEWER, "read", "/metrics", changes=False)),
        ("POST", "/api/v1/cache/purge", Deed(Role.OPERATOR, "cache.purge")),
        ("POST", "/api/v1/reload", Deed(Role.OPERATOR, "gateway.reload")),
        ("POST", "/api/v1/upgrade", Deed(Role.ADMIN, "gateway.upgrade")),
        ("PUT", "/api/v1/limits/tiers/free", Deed(Role.ADMIN, "limits.change", "free")),
        ("POST", "/api/v1/alerts/a1/snooze", Deed(Role.OPERATOR, "alert.snooze", "a1")),
        ("POST", "/api/v1/anything", Deed(Role.ADMIN, "post", "/api/v1/anything")),
        ("BREW", "/api/v1/reload", Deed(Role.ADMIN, "brew", "/api/v1/reload")),
        ("POST", "/api/v1/reload/", Deed(Role.ADMIN, "post", "/api/v1/reload/")),
    ],
)
def test_what_is_not_listed_needs_admin(method: str, path: str, deed: Deed) -> None:
    """So a new endpoint is closed to others until somebody decides otherwise."""
    assert deed_of(method, path) == deed


@pytest.fixture
def whole(state: AdminState, tmp_path: Path) -> FastAPI:
    """An app with every router of a node."""
    sources = SettingsSources({}, None)
    parent = Parent(tmp_path / "none")
    routers = node_parts(Settings(state_dir=tmp_path), parent, sources=sources).routers
    return create_admin_app(state, token=AdminToken(TOKEN, "settings"), routers=routers)


def changing(app: FastAPI) -> set[tuple[str, str]]:
    """Method and path of all that may change something; parameters as they may be."""
    described = {
        (method.upper(), re.sub(r"\{[^}]+\}", "x", path.replace("{kind}", "routes")))
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if method.upper() not in SAFE_METHODS
    }
    assert ("POST", "/api/v1/cache/purge") in described
    # Pages are no part of the description.
    return described | {("POST", "/logout")}


def test_everything_that_changes_something_is_listed(whole: FastAPI) -> None:
    """With a name for the audit and a role that somebody chose."""
    unlisted = {
        (method, path)
        for method, path in changing(whole)
        if deed_of(method, path).action == method.lower()
    }
    assert unlisted == set()


def test_nothing_is_listed_that_is_not_there(whole: FastAPI) -> None:
    """A rule for a path that is gone may open another one some day."""
    there = changing(whole)
    gone = [
        (method, pattern)
        for method, pattern in listed_deeds()
        if not any(each == method and re.fullmatch(pattern, path) for each, path in there)
    ]
    assert gone == []


def test_actions_have_names_of_one_kind() -> None:
    """Thing and deed, for whoever looks for them in the audit."""
    names = [rule.action for rule in permissions._RULES]
    assert all(re.fullmatch(r"[a-z]+\.[a-z-]+", name) for name in names)
