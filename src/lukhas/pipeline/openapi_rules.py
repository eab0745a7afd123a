"""What the stages that validate by a description go by, and what they count."""

from dataclasses import dataclass

from lukhas.policy.modes import Mode
from lukhas.policy.openapi.description import ApiDescription

__all__ = ("OpenApiCounts", "OpenApiRules")


@dataclass(slots=True)
class OpenApiCounts:
    """What was found so far.

    Attributes:
        request_faults: requests that did not fit.
        responses: responses that were looked at.
        response_faults: of these, those that did not fit.
    """

    request_faults: int = 0
    responses: int = 0
    response_faults: int = 0


@dataclass(slots=True)
class OpenApiRules:
    """The settings of both stages.

    Attributes:
        requests: whether requests are refused, or only looked at.
        responses: whether responses are looked at.
        refuses_unknown: whether requests that the description does not know are refused.
        status: of a refusal.
        body_bytes: how large a body is validated.
        refuses_large: whether a larger one is refused.
        most_faults: how many faults are listed.
        every: of so many responses one is looked at.
        description: what requests and responses are checked by; None before it was opened.
        counts: what was found.
    """

    requests: Mode
    responses: Mode
    refuses_unknown: bool
    status: int
    body_bytes: int
    refuses_large: bool
    most_faults: int
    every: int
    description: ApiDescription | None
    counts: OpenApiCounts

    def opened(self) -> ApiDescription:
        """The description.

        Raises:
            RuntimeError: it was not opened.
        """
        if self.description is None:
            raise RuntimeError("the description was not opened")
        return self.description
