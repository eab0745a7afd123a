"""Settings of the validation by an OpenAPI description."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from lukhas.config.fields import Section, SizeBytes
from lukhas.policy.modes import Mode

__all__ = ("OpenApiSettings",)

_MIB = 1024 * 1024


class OpenApiSettings(Section):
    """Validation of requests and responses by an OpenAPI description, version 3.0 or 3.1."""

    file: Path | None = Field(
        None,
        description="The description, in JSON or YAML; null switches all of this off. It is read "
        "at the start and at each reload. Needs the extra `openapi`.",
    )
    requests: Mode = Field(
        Mode.ENFORCE,
        description="`enforce` refuses requests that do not fit; `shadow` only records and counts "
        "them; `off`.",
    )
    responses: Literal["shadow", "off"] = Field(
        "off",
        description="`shadow` looks at a sample of the API's answers after they were sent, and "
        "logs and counts what does not fit; `off`.",
    )
    unknown: Literal["allow", "deny"] = Field(
        "allow",
        description="What becomes of requests that the description does not know: `deny` answers "
        "404, or 405 where only the method is unknown.",
    )
    status: Literal[400, 422] = Field(400, description="The status of a request that does not fit.")
    base_path: str | None = Field(
        None,
        pattern=r"^(/[^/?#]+)*/?$",
        description="What comes before each path of the description; null is the path of its "
        "first server.",
    )
    body_bytes: SizeBytes = Field(
        _MIB, ge=1, description="Larger bodies are not validated; see `large_bodies`."
    )
    large_bodies: Literal["allow", "deny"] = Field(
        "deny",
        description="Whether a JSON body above `body_bytes` is passed on without validation, or "
        "gets 413.",
    )
    faults: int = Field(10, ge=1, le=100, description="How many faults a refusal lists at most.")
    response_share: float = Field(
        0.1, gt=0, le=1, description="Which share of the answers is looked at."
    )
