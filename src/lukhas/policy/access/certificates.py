"""Client certificates: whom they stand for."""

from collections.abc import Iterable
from dataclasses import dataclass

from lukhas.policy.access.consumers import Consumer
from lukhas.policy.rate_limiting.tiers import Tier

__all__ = ("CertificateRule", "ClientCertificate", "consumer_of_certificate")


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What a verified client certificate says.

    Attributes:
        fingerprint: SHA-256 of its DER form, lower-case hexadecimal.
        common_name: the common name of its subject; empty if it has none or several.
        sans: its alternative names (DNS names, e-mail addresses, URIs, IP addresses) as text.
    """

    fingerprint: str
    common_name: str = ""
    sans: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CertificateRule:
    """Whom certificates stand for; what is empty fits every certificate.

    Attributes:
        consumer: the name of the consumer.
        tier: its tier.
        tenant: whose consumer it is; empty if there are no tenants.
        common_name: the common name that the subject must have.
        san: one alternative name that it must have.
        fingerprint: the SHA-256 that it must have, lower-case hexadecimal.
    """

    consumer: str
    tier: Tier
    tenant: str = ""
    common_name: str = ""
    san: str = ""
    fingerprint: str = ""

    def fits(self, certificate: ClientCertificate) -> bool:
        """Whether the rule is about this certificate."""
        return (
            (not self.common_name or self.common_name == certificate.common_name)
            and (not self.san or self.san in certificate.sans)
            and (not self.fingerprint or self.fingerprint == certificate.fingerprint)
        )


def consumer_of_certificate(
    certificate: ClientCertificate, rules: Iterable[CertificateRule]
) -> Consumer | None:
    """The consumer by the first rule that fits; None where none does.

    All certificates of one consumer and tenant are one consumer: what it may do does not double
    with a second certificate.
    """
    for rule in rules:
        if rule.fits(certificate):
            return Consumer(
                key=f"cert:{rule.tenant}:{rule.consumer}"
                if rule.tenant
                else f"cert:{rule.consumer}",
                tier=rule.tier,
                name=rule.consumer,
                tenant=rule.tenant,
                credential_id=certificate.fingerprint,
            )
    return None
