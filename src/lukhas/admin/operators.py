"""Who is at the admin plane: by a token or by a session made from it, with a name and a role."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.types import Scope

from lukhas.admin.access import AdminToken
from lukhas.config.operators import ADMIN_NAME, OperatorSettings
from lukhas.policy.access.roles import Role

__all__ = ("ADMIN", "OPERATOR", "Operator", "Operators", "operator_of", "operators_of")

OPERATOR = "lukhas.operator"
"""Key in the ASGI scope: the `Operator` who asks; None for a stranger."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who may use the admin plane.

    Attributes:
        name: for the audit.
        role: what they may do.
    """

    name: str
    role: Role


ADMIN = Operator(ADMIN_NAME, Role.ADMIN)
"""Who shows the admin token."""


@dataclass(frozen=True, slots=True)
class _Known:
    operator: Operator
    token: AdminToken = field(repr=False)

    @property
    def claim(self) -> str:
        return f"{self.operator.role.value}.{self.operator.name}"


class Operators:
    """Everybody who may use the admin plane.

    Args:
        token: the admin token.
        others: those with tokens of their own.
    """

    def __init__(
        self, token: AdminToken, others: Sequence[tuple[Operator, AdminToken]] = ()
    ) -> None:
        self._known = (_Known(ADMIN, token), *(_Known(*other) for other in others))

    def with_token(self, presented: str) -> Operator | None:
        """Who shows this token; None for nobody. Takes the same time whoever it is."""
        found = [known.operator for known in self._known if known.token.matches(presented)]
        return found[0] if found else None

    def new_session(self, operator: Operator, now_ns: int) -> str:
        """The value of a session cookie; it says name and role, and is signed with their token."""
        for known in self._known:
            if known.operator == operator:
                return known.token.new_session(now_ns, claim=known.claim)
        raise LookupError(f"nobody is called {operator.name!r}")

    def of_session(self, cookie: str, now_ns: int) -> Operator | None:
        """Whose session it is; None for nobody's.

        A session ends early when its token is changed, and when name or role are others now.
        """
        for known in self._known:
            if known.token.accepts_session(cookie, now_ns):
                return known.operator if AdminToken.session_claim(cookie) == known.claim else None
        return None


def operators_of(token: AdminToken, settings: Sequence[OperatorSettings]) -> Operators:
    """Those of the settings, beside the one with the admin token."""
    others = [
        (
            Operator(each.name, each.role),
            AdminToken(each.token.get_secret_value(), "settings"),
        )
        for each in settings
    ]
    return Operators(token, others)


def operator_of(scope: Scope) -> Operator:
    """Who asks; only for what strangers do not reach."""
    operator = scope[OPERATOR]
    if not isinstance(operator, Operator):
        raise TypeError("a stranger got past the guard")
    return operator
