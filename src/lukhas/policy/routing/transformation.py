"""What is changed of requests on their way to the origin, and of what comes back."""

from dataclasses import dataclass

from lukhas.policy.field_rules import FieldRules
from lukhas.policy.routing.rewriting import PathPattern

__all__ = ("Transformation",)


@dataclass(frozen=True, slots=True)
class Transformation:
    """The changes of one route.

    Attributes:
        request: changes of the fields that the origin sees.
        response: changes of the fields that come from it, before they are stored.
        rewrite: the path that the origin sees; None for that of the client.
        hsts: the value of Strict-Transport-Security for clients that came by https; empty for none.
    """

    request: FieldRules = FieldRules()  # noqa: RUF009 - a frozen value
    response: FieldRules = FieldRules()  # noqa: RUF009 - a frozen value
    rewrite: PathPattern | None = None
    hsts: bytes = b""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is changed."""
        return (
            self.request.is_empty
            and self.response.is_empty
            and self.rewrite is None
            and not self.hsts
        )
