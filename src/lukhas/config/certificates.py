"""Settings about whom client certificates stand for."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from lukhas.config.fields import CONFIG_FAULT, Name, Section
from lukhas.policy.rate_limiting.tiers import Tier

__all__ = ("CertificateRuleSettings", "CertificateRules")

_SHA256_HEX = re.compile(r"[0-9a-f]{64}")


def _fingerprint(text: str) -> str:
    hexadecimal = text.replace(":", "").lower()
    if not _SHA256_HEX.fullmatch(hexadecimal):
        what = f"{text!r} is not a SHA-256 fingerprint"
        hint = "use the 64 hexadecimal digits that openssl x509 -noout -fingerprint -sha256 prints"
        raise PydanticCustomError(CONFIG_FAULT, "{what}: {hint}", {"what": what, "hint": hint})
    return hexadecimal


Fingerprint = Annotated[str, AfterValidator(_fingerprint)]


class CertificateRuleSettings(Section):
    """Whom a client certificate that `tls.client_ca` has verified stands for.

    All that is given has to fit; the first rule that fits counts.
    """

    consumer: Name = Field(description="The name of the consumer.")
    common_name: str = Field("", description="The common name of its subject; empty is any.")
    san: str = Field(
        "",
        description="One of its alternative names, such as `worker.example.com`, "
        "`anna@example.com` or `spiffe://example.com/worker`; empty is any.",
    )
    fingerprint: Fingerprint | None = Field(
        None, description="Its SHA-256 fingerprint in hexadecimal; null is any."
    )
    tier: Tier = Field(Tier.FREE, description="The tier of the consumer.")
    tenant: str = Field("", description="Whose consumer it is; empty if there are no tenants.")

    @model_validator(mode="after")
    def _names_something(self) -> "CertificateRuleSettings":
        if not (self.common_name or self.san or self.fingerprint):
            what = f"the rule for {self.consumer!r} fits every certificate"
            hint = "give common_name, san or fingerprint"
            raise PydanticCustomError(CONFIG_FAULT, "{what}: {hint}", {"what": what, "hint": hint})
        return self


CertificateRules = tuple[CertificateRuleSettings, ...]
