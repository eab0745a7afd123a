"""Sends e-mail over SMTP."""

import asyncio
import hashlib
import smtplib
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Literal

from lukhas.analytics.alerts.delivery import DeliveryError, checked_addresses

__all__ = ("MailServer", "send_mail")

# From here on an answer of a mail server is for good (RFC 5321 section 4.2.1).
_FINAL_CODE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """A mail server.

    Attributes:
        host: its name; its certificate must have it.
        port: its port.
        security: `starttls`, `tls` from the first byte, or `none`.
        user: who logs in; empty for nobody.
        password: with what.
        timeout_s: how long each step may take.
    """

    host: str
    port: int
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    timeout_s: float = 10.0


async def send_mail(
    server: MailServer,
    *,
    sender: str,
    recipients: Sequence[str],
    subject: str,
    text: str,
    dedup_key: str,
) -> None:
    """Sends a message; the server has taken it when this returns.

    Args:
        server: through which server.
        sender: from whom.
        recipients: to whom.
        subject: one line.
        text: the message.
        dedup_key: gives the message its id, so that a mailbox can tell repeats.

    Raises:
        DeliveryError: the server has not taken it, or nobody knows.
    """
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Subject"] = " ".join(subject.split())
    digest = hashlib.sha256(dedup_key.encode()).hexdigest()[:32]
    message["Message-ID"] = f"<{digest}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    addresses = await checked_addresses(server.host, server.port)
    try:
        await asyncio.to_thread(_send, server, addresses, message)
    except smtplib.SMTPResponseException as error:
        what = f"{server.host} answered {error.smtp_code}"
        raise DeliveryError(what, is_final=error.smtp_code >= _FINAL_CODE) from None
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        what = f"{server.host} refused all recipients ({', '.join(map(str, codes))})"
        raise DeliveryError(what, is_final=min(codes) >= _FINAL_CODE) from None
    except smtplib.SMTPException as error:
        raise DeliveryError(f"{server.host}: {type(error).__name__}") from None
    except ssl.SSLCertVerificationError as error:
        raise DeliveryError(f"the certificate of {server.host}: {error.verify_message}") from None
    except OSError as error:
        what = f"{server.host}: {error.strerror or type(error).__name__}"
        raise DeliveryError(what) from None


class _PlainConnection(smtplib.SMTP):
    """Connects to addresses that were checked, and goes on to know the server by its name."""

    def __init__(self, server: MailServer, addresses: Sequence[str]) -> None:
        self._addresses = addresses
        super().__init__(server.host, server.port, timeout=server.timeout_s)

    def _get_socket(self, _host: str, port: int, timeout: float) -> socket.socket:
        for address in self._addresses[:-1]:
            with suppress(OSError):
                return socket.create_connection((address, port), timeout)
        return socket.create_connection((self._addresses[-1], port), timeout)


class _TlsConnection(_PlainConnection):
    """The same, with TLS from the first byte (RFC 8314 section 3)."""

    def __init__(self, server: MailServer, addresses: Sequence[str]) -> None:
        self._name = server.host
        super().__init__(server, addresses)

    def _get_socket(self, _host: str, port: int, timeout: float) -> socket.socket:
        plain = super()._get_socket(_host, port, timeout)
        return ssl.create_default_context().wrap_socket(plain, server_hostname=self._name)


def _send(server: MailServer, addresses: Sequence[str], message: EmailMessage) -> None:
    kind = _TlsConnection if server.security == "tls" else _PlainConnection
    with kind(server, addresses) as connection:
        if server.security == "starttls":
            connection.starttls(context=ssl.create_default_context())
        if server.user:
            connection.login(server.user, server.password)
        connection.send_message(message)
