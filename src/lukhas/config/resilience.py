"""Settings of routes about what happens when their upstream fails, and about copies."""

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lukhas.config.fields import CONFIG_FAULT, Name, Section

__all__ = ("RouteFallbackSettings", "RouteMirrorSettings")

_CONTENT_TYPE = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+/[\t -~]+$"


class RouteFallbackSettings(Section):
    """What stands in where the upstream of a route cannot answer."""

    upstream: Name | None = Field(
        None,
        description="Which of `upstreams` is asked instead, where the request may be sent again; "
        "what it answers is cached apart.",
    )
    status: Annotated[int, Field(ge=200, le=599)] | None = Field(
        None,
        description="The status of an answer that is given instead, or where that upstream fails "
        "too; it is not stored.",
    )
    content_type: str = Field(
        "text/plain; charset=utf-8",
        pattern=_CONTENT_TYPE,
        description="Its `Content-Type`.",
    )
    body: str = Field("", max_length=65_536, description="Its body.")
    statuses: tuple[Annotated[int, Field(ge=500, le=599)], ...] = Field(
        (502, 503, 504), description="Answers of the upstream that count as none."
    )

    @model_validator(mode="after")
    def _stands_in(self) -> Self:
        if self.upstream is None and self.status is None:
            what, hint = "nothing stands in", "set `upstream`, `status` or both"
            raise PydanticCustomError(CONFIG_FAULT, "{what}: {hint}", {"what": what, "hint": hint})
        return self


class RouteMirrorSettings(Section):
    """Copies of the requests of a route."""

    upstream: Name = Field(description="Which of `upstreams` the copies go to.")
    percent: Annotated[float, Field(gt=0, le=100)] = Field(
        100.0, description="How many of the requests that reach the API are copied."
    )
