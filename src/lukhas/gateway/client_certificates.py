"""Client certificates of TLS connections into consumers."""

import hashlib
import ssl
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

from lukhas.http.messages import RequestHead
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.intake import Intake
from lukhas.policy.access.certificates import (
    CertificateRule,
    ClientCertificate,
    consumer_of_certificate,
)
from lukhas.policy.access.consumers import Consumer

__all__ = ("AssertingIntake", "CertificateIdentity", "presented_certificate")


class AssertingIntake(Intake):
    """Makes the exchanges of a connection whose consumer is known from its certificate.

    Args:
        intake: what makes exchanges otherwise.
        consumer: who calls.
    """

    def __init__(self, intake: Intake, consumer: Consumer) -> None:
        self.now_ns = intake.now_ns
        self._intake = intake
        self._consumer = consumer

    def exchange(
        self,
        head: RequestHead,
        peer: str,
        *,
        body: AsyncIterator[bytes] | None = None,
        asserted: Consumer | None = None,
    ) -> Exchange:
        """See `Intake`."""
        return self._intake.exchange(
            head, peer, body=body, asserted=self._consumer if asserted is None else asserted
        )


class CertificateIdentity:
    """Finds the consumer of a connection.

    Args:
        rules: whom certificates stand for.
        intake: makes exchanges.
    """

    def __init__(self, rules: Sequence[CertificateRule], intake: Intake) -> None:
        self._rules = tuple(rules)
        self._intake = intake

    def intake_for(self, connection: ssl.SSLObject | None) -> Intake:
        """What makes the exchanges of a connection whose handshake is done."""
        if not self._rules or connection is None:
            return self._intake
        certificate = presented_certificate(connection)
        if certificate is None:
            return self._intake
        consumer = consumer_of_certificate(certificate, self._rules)
        return self._intake if consumer is None else AssertingIntake(self._intake, consumer)


def presented_certificate(connection: ssl.SSLObject) -> ClientCertificate | None:
    """The client's certificate, which TLS has verified; None if it showed none."""
    der = connection.getpeercert(binary_form=True)
    if der is None:
        return None
    # Empty where the certificate was not verified: then it says nothing either.
    said = cast("dict[str, Any]", connection.getpeercert() or {})
    names = [value for rdn in said.get("subject", ()) for key, value in rdn if key == "commonName"]
    return ClientCertificate(
        fingerprint=hashlib.sha256(der).hexdigest(),
        # Of several, nobody could say which one was meant.
        common_name=names[0] if len(names) == 1 else "",
        sans=frozenset(
            value for _, value in said.get("subjectAltName", ()) if isinstance(value, str)
        ),
    )
