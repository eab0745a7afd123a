"""Roles."""

import pytest

from lukhas.policy.access.roles import Role, may


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.VIEWER, [Role.VIEWER]),
        (Role.OPERATOR, [Role.VIEWER, Role.OPERATOR]),
        (Role.ADMIN, [Role.VIEWER, Role.OPERATOR, Role.ADMIN]),
    ],
)
def test_a_role_may_do_what_those_below_it_may(role: Role, allowed: list[Role]) -> None:
    """And nothing that needs a higher one."""
    assert [needed for needed in Role if may(role, needed)] == allowed
