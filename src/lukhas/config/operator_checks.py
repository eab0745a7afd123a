"""How those who may use the admin plane fit together."""

from collections.abc import Iterator

from lukhas.config.findings import Finding
from lukhas.config.key_paths import KeyPath
from lukhas.config.operators import ADMIN_NAME
from lukhas.config.serving import AdminSettings

__all__ = ("operator_findings",)


def operator_findings(admin: AdminSettings) -> Iterator[Finding]:
    """All mistakes about them: names and tokens tell them apart."""
    names = {ADMIN_NAME}
    tokens = set() if admin.token is None else {admin.token.get_secret_value()}
    for index, operator in enumerate(admin.operators):
        place: KeyPath = ("admin", "operators", index)
        if operator.name in names:
            what = f"the operator name {operator.name!r} is taken"
            yield Finding((*place, "name"), what, "give each a name of its own, other than admin")
        names.add(operator.name)
        token = operator.token.get_secret_value()
        if token in tokens:
            what = f"the operator {operator.name!r} has the token of somebody else"
            yield Finding((*place, "token"), what, "give each a token of its own")
        tokens.add(token)
