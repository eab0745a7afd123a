"""Settings of the people and programs that use the admin plane beside the one admin token."""

from pydantic import Field, SecretStr

from lukhas.config.fields import Name, Section
from lukhas.policy.access.roles import Role

__all__ = ("ADMIN_NAME", "OperatorSettings")

ADMIN_NAME = "admin"
"""Who shows `admin.token`."""


class OperatorSettings(Section):
    """Somebody who may use the admin plane, with a token of their own."""

    name: Name = Field(description="Shown in the audit; `admin` is who shows `admin.token`.")
    role: Role = Field(
        Role.VIEWER,
        description="`viewer` reads; `operator` also purges, acknowledges, silences, drains and "
        "reloads; `admin` may do everything.",
    )
    token: SecretStr = Field(
        min_length=16, description="What they present, 16 characters or more. Never printed."
    )
