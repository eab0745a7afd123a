"""Settings of TLS at the gateway, and of HTTP/2 over it."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from lukhas.config.fields import CONFIG_FAULT, Host, Seconds, Section, StateDir

__all__ = ("Http2Settings", "TlsCertificateSettings", "TlsSettings")


def _fault(what: str, hint: str) -> PydanticCustomError:
    # A message template may not hold braces, so both texts travel in the context.
    return PydanticCustomError(CONFIG_FAULT, "{what}: {hint}", {"what": what, "hint": hint})


def _name(name: str) -> str:
    if ":" in name:
        raise _fault(f"{name!r} holds a port", "a certificate is for a name, whatever the port")
    return name


ServerName = Annotated[Host, AfterValidator(_name)]


class TlsCertificateSettings(Section):
    """A further certificate, for clients that ask for other names (SNI)."""

    certificate: StateDir = Field(
        description="A PEM file with the certificate and the chain behind it."
    )
    key: StateDir | None = Field(
        None, description="A PEM file with its private key; null where that is in the same file."
    )
    names: tuple[ServerName, ...] = Field(
        (), description="The names it is for; empty is those that stand in the certificate."
    )


class TlsSettings(Section):
    """TLS between clients and the gateway; on as soon as there is a certificate."""

    certificate: StateDir | None = Field(
        None,
        description="A PEM file with the certificate and the chain behind it; `listen` then speaks "
        "https.",
    )
    key: StateDir | None = Field(
        None, description="A PEM file with its private key; null where that is in the same file."
    )
    certificates: tuple[TlsCertificateSettings, ...] = Field(
        (), description="Certificates for other names; clients that name none get the first."
    )
    client_certificates: Literal["none", "optional", "required"] = Field(
        "none",
        description="Whether clients are asked for a certificate, and whether they may go without.",
    )
    client_ca: StateDir | None = Field(
        None, description="A PEM file with the authorities whose client certificates are believed."
    )
    min_version: Literal["1.2", "1.3"] = Field(
        "1.2", description="The oldest version of TLS that is spoken."
    )
    ciphers: str | None = Field(
        None,
        min_length=1,
        description="Ciphers of TLS 1.2 as OpenSSL writes them; null is the defaults of Python.",
    )
    handshake_timeout_s: Seconds = Field(10.0, description="How long a handshake may take.")
    reload_s: Seconds = Field(
        10.0, description="How often the files are looked at; changed ones are taken up."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> "TlsSettings":
        if self.certificate is None and (self.key or self.certificates or self.client_ca):
            raise _fault("certificate is missing", "name a PEM file with a certificate")
        asks = self.client_certificates != "none"
        if asks and self.certificate is None:
            raise _fault("client_certificates is set without a certificate", "set certificate")
        if asks and self.client_ca is None:
            hint = "name a PEM file with the authorities of your clients"
            raise _fault("client_certificates is set without client_ca", hint)
        if self.client_ca is not None and not asks:
            hint = 'set client_certificates to "optional" or "required"'
            raise _fault("client_ca is set, but no client is asked for a certificate", hint)
        return self


class Http2Settings(Section):
    """HTTP/2 from clients; towards the upstream it is HTTP/1.1."""

    over_tls: bool = Field(True, description="Offers `h2` to clients that connect with TLS.")
    cleartext: bool = Field(
        False,
        description="Takes HTTP/2 without TLS from clients that begin with it (prior knowledge).",
    )
    max_streams: int = Field(
        128, ge=1, le=10_000, description="How many requests of one connection run at once."
    )
