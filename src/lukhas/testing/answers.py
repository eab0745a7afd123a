"""What a request of a test was answered with."""

import json
from dataclasses import dataclass
from typing import Any

from lukhas.http.headers import Headers
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.verdicts import Verdict

__all__ = ("Answer",)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer.

    Attributes:
        status: the status.
        headers: all fields, names in lower case.
        body: the body.
        limit: what the limiter decided, where it can be known and a limit applies.
        verdicts: what each stage decided, in order, where it can be known.
    """

    status: int
    headers: Headers
    body: bytes = b""
    limit: LimitDecision | None = None
    verdicts: tuple[Verdict, ...] = ()

    def header(self, name: str) -> str | None:
        """The value of a field; several are joined by commas; None if there is none."""
        value = self.headers.joined(name.lower().encode("ascii"))
        return None if value is None else value.decode("latin-1")

    def json(self) -> Any:
        """The body, read as JSON.

        Raises:
            ValueError: it is none.
        """
        return json.loads(self.body)
