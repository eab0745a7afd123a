"""Who is at the admin plane."""

import pytest

from lukhas.admin.access import SESSION_S, AdminToken
from lukhas.admin.operators import ADMIN, OPERATOR, Operator, Operators, operator_of, operators_of
from lukhas.config.operators import OperatorSettings
from lukhas.policy.access.roles import Role
from lukhas.units import SECOND_NS

TOKEN = AdminToken("correct horse battery", "settings")
KIM_TOKEN = "a token for kim to show"


def operators(role: str = "operator", *, token: str = KIM_TOKEN) -> Operators:
    kim = {"name": "kim.lee", "role": role, "token": token}
    return operators_of(TOKEN, [OperatorSettings.model_validate(kim)])


KIM = Operator("kim.lee", Role.OPERATOR)


def test_each_token_is_somebody() -> None:
    """And any other nobody."""
    known = operators()
    assert known.with_token(TOKEN.value) == ADMIN
    assert known.with_token(KIM_TOKEN) == KIM
    assert known.with_token("another") is None


def test_a_session_says_whose_it_is() -> None:
    """For as long as it lasts."""
    known = operators()
    for somebody in (ADMIN, KIM):
        session = known.new_session(somebody, 0)
        assert known.of_session(session, 0) == somebody
        assert known.of_session(session, SESSION_S * SECOND_NS) is None


def test_nobody_takes_another_name_or_role() -> None:
    """What a cookie says is signed with the token of who it is."""
    session = operators().new_session(KIM, 0)
    forged = [
        session.replace("operator", "admin"),
        session.replace("kim.lee", "admin"),
        Operators(TOKEN).new_session(ADMIN, 0).replace("admin.admin", "operator.kim.lee"),
        "",
    ]
    assert [operators().of_session(cookie, 0) for cookie in forged] == [None] * len(forged)
    own = AdminToken(KIM_TOKEN, "x").new_session(0, claim="admin.kim.lee")
    assert operators().of_session(own, 0) is None


def test_a_session_ends_with_the_role_and_the_token_it_was_made_with() -> None:
    """Who has lost a role must not keep it for the rest of the day."""
    session = operators().new_session(KIM, 0)
    assert operators("viewer").of_session(session, 0) is None
    assert operators(token="a new token for kim").of_session(session, 0) is None
    assert Operators(TOKEN).of_session(session, 0) is None


def test_a_session_of_an_earlier_version_is_not_taken() -> None:
    """It says nothing about who it is."""
    payload = f"{SESSION_S}.nonce"
    assert operators().of_session(f"{payload}.{TOKEN._signature(payload)}", 0) is None


def test_nobody_unknown_gets_a_session() -> None:
    """Such a call is a mistake of ours."""
    with pytest.raises(LookupError, match="lee"):
        operators().new_session(Operator("lee", Role.ADMIN), 0)


def test_tokens_are_not_in_reprs() -> None:
    """Tracebacks and logs show reprs."""
    assert "horse" not in repr(operators()._known)
    assert "kim to show" not in repr(operators()._known)


def test_a_stranger_is_no_operator() -> None:
    """Such a call is a mistake of ours."""
    assert operator_of({OPERATOR: KIM}) == KIM
    with pytest.raises(TypeError, match="past the guard"):
        operator_of({OPERATOR: None})
