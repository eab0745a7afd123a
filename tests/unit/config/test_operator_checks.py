"""How those who may use the admin plane fit together."""

from lukhas.config.operator_checks import operator_findings
from lukhas.config.serving import AdminSettings


def test_names_and_tokens_tell_operators_apart() -> None:
    """Each is told that has the name or the token of another; no token is shown."""
    first, second = "one token of sixteen", "another of sixteen!"
    admin = AdminSettings.model_validate(
        {
            "token": first,
            "operators": [
                {"name": "admin", "token": second},
                {"name": "kim", "token": first, "role": "operator"},
                {"name": "kim", "token": second},
            ],
        }
    )
    found = list(operator_findings(admin))
    assert [finding.path[2:] for finding in found] == [
        (0, "name"),
        (1, "token"),
        (2, "name"),
        (2, "token"),
    ]
    assert not any(first in f"{each}" or second in f"{each}" for each in found)


def test_operators_that_differ_are_fine() -> None:
    """The role is viewer unless something else is said."""
    admin = AdminSettings.model_validate({"operators": [{"name": "kim", "token": "x" * 16}]})
    assert list(operator_findings(admin)) == []
    assert admin.operators[0].role.value == "viewer"
