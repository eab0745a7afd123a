"""E-mail through mail servers with real sockets."""

import ssl

import pytest

from lukhas.analytics.alerts.delivery import DeliveryError
from lukhas.analytics.alerts.mail import MailServer, send_mail
from tests.unit.analytics.alerts.kit import Mailbox, mailbox


async def sent(box: Mailbox, **server: object) -> None:
    given = {"host": "127.0.0.1", "port": box.port, "security": "none"}
    await send_mail(
        MailServer(**given | server),  # type: ignore[arg-type]
        sender="gateway@example.com",
        recipients=("ada@example.com", "bob@example.com"),
        subject="[FIRING]\r\nBcc: eve@example.com",
        text="It is slow: ü\n",
        dedup_key="k1",
    )


async def test_a_message_arrives() -> None:
    """With its recipients, and an id by which repeats can be told; a subject is one line."""
    async with mailbox() as box:
        await sent(box)
        await sent(box)
    sender, recipients, text = box.messages[0]
    assert "gateway@example.com" in sender
    assert [line.partition("<")[2].partition(">")[0] for line in recipients] == [
        "ada@example.com",
        "bob@example.com",
    ]
    assert "Subject: [FIRING] Bcc: eve@example.com" in text
    ids = [
        line for _, _, each in box.messages for line in each.split("\r\n") if "Message-ID" in line
    ]
    assert len(ids) == 2
    assert len(set(ids)) == 1


@pytest.mark.parametrize("from_first_byte", [False, True])
async def test_the_password_goes_over_tls(tls: ssl.SSLContext, from_first_byte: bool) -> None:
    """STARTTLS, or TLS from the first byte."""
    async with mailbox(tls, from_first_byte=from_first_byte) as box:
        security = "tls" if from_first_byte else "starttls"
        await sent(box, security=security, user="gateway", password="s3cret")
    assert box.logins == [("gateway", "s3cret")]
    assert box.secure == [True]


@pytest.mark.parametrize("from_first_byte", [False, True])
async def test_a_certificate_that_is_not_trusted_ends_it(
    tls: ssl.SSLContext, from_first_byte: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the password is sent."""
    monkeypatch.delenv("SSL_CERT_FILE")
    async with mailbox(tls, from_first_byte=from_first_byte) as box:
        security = "tls" if from_first_byte else "starttls"
        with pytest.raises(DeliveryError, match="the certificate of"):
            await sent(box, security=security, user="gateway", password="s3cret")
    assert box.logins == []


@pytest.mark.parametrize(
    ("word", "answer", "is_final", "what"),
    [
        ("MAIL", "451 later", False, "answered 451"),
        ("MAIL", "550 no", True, "answered 550"),
        ("RCPT", "550 who", True, r"refused all recipients \(550\)"),
        ("RCPT", "450 busy", False, r"refused all recipients \(450\)"),
    ],
)
async def test_a_refusal_is_told(word: str, answer: str, is_final: bool, what: str) -> None:
    """One for good is not tried again (RFC 5321, 4.2.1)."""
    async with mailbox() as box:
        box.refusals[word] = answer
        with pytest.raises(DeliveryError, match=what) as told:
            await sent(box)
    assert told.value.is_final is is_final


async def test_a_server_that_is_not_there_or_hangs_up_is_told() -> None:
    """It may be back the next time."""
    async with mailbox() as box:
        pass
    with pytest.raises(DeliveryError, match=r"127\.0\.0\.1: ") as told:
        await sent(box)
    assert not told.value.is_final
    async with mailbox() as box:
        box.refusals["EHLO"] = "250 no more"
        with pytest.raises(DeliveryError, match="SMTPNotSupportedError"):
            await sent(box, security="starttls")
