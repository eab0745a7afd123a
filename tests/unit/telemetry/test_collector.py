"""Messages to a collector, over real sockets."""

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from lukhas.errors import ConfigError
from lukhas.telemetry.collector import Collector, Outcome, Receipt
from tests.unit.telemetry.otlp_receiver import OtlpReceiver, answer


async def receipt(said: bytes, **options: object) -> Receipt:
    """The receipt of a collector that says this."""
    receiver = OtlpReceiver()
    await receiver.start()
    receiver.answers.append(said)
    collector = Collector(receiver.url, **options)  # type: ignore[arg-type]
    try:
        return await collector.post("/v1/traces", b"")
    finally:
        await receiver.stop()


async def test_a_message_is_posted() -> None:
    """Compressed, with the fields that are set, below the path of the collector."""
    receiver = OtlpReceiver()
    await receiver.start()
    collector = Collector(f"{receiver.url}/base", headers=(("api-key", "s3cret"),))
    assert (await collector.post("/v1/traces", b"")).outcome is Outcome.TAKEN
    plain = Collector(receiver.url, compressed=False)
    assert (await plain.post("/v1/traces", b"")).outcome is Outcome.TAKEN
    first, second = receiver.heads
    assert first.startswith(b"POST /base/v1/traces HTTP/1.1\r\n")
    assert b"\r\nhost: localhost:%d\r\n" % receiver.port in first
    assert b"\r\napi-key: s3cret\r\n" in first
    assert b"\r\ncontent-type: application/x-protobuf\r\n" in first
    assert b"\r\ncontent-encoding: gzip\r\n" in first
    assert b"content-encoding" not in second
    assert b"content-length: 0\r\n" in second
    await receiver.stop()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (answer(200, body=b"ok"), Receipt(Outcome.TAKEN, body=b"ok")),
        (answer(202), Receipt(Outcome.TAKEN)),
        (
            b"HTTP/1.1 100 Continue\r\n\r\n" + answer(200, body=b"ok"),
            Receipt(Outcome.TAKEN, body=b"ok"),
        ),
        (answer(400), Receipt(Outcome.REFUSED, "it answers with status 400")),
        (answer(503), Receipt(Outcome.BUSY, "it answers with status 503")),
        (
            answer(429, b"Retry-After: 7"),
            Receipt(Outcome.BUSY, "it answers with status 429", 7.0),
        ),
        (
            answer(502, b"Retry-After: 99999"),
            Receipt(Outcome.BUSY, "it answers with status 502", 60.0),
        ),
        (
            answer(504, b"Retry-After: tomorrow"),
            Receipt(Outcome.BUSY, "it answers with status 504"),
        ),
        (b"HTTP/1.1 200 X\r\nconte", Receipt(Outcome.BUSY, "it has sent no whole answer")),
        (b"SSH-2.0-x\r\n", Receipt(Outcome.BUSY, "localhost does not speak HTTP")),
        (
            answer(200, body=b"x" * 70_000)[:66_000],
            Receipt(Outcome.TAKEN, body=b"x" * 65_000),
        ),
    ],
)
async def test_what_it_says_decides(said: bytes, expected: Receipt) -> None:
    """Taken, not now, or never (OTLP, failures); of a long answer only a part is read."""
    found = await receipt(said)
    if len(expected.body) > 1000:
        assert found.outcome is expected.outcome
        assert 60_000 < len(found.body) <= 80_000
    else:
        assert found == expected


async def test_silence_has_a_deadline() -> None:
    """Nobody waits for a collector that takes a message and says nothing."""
    found = await receipt(b"", timeout_s=0.05)
    assert found == Receipt(Outcome.BUSY, "localhost has not answered within 0.05 s")


async def test_a_collector_that_is_not_there_is_told() -> None:
    """By its name, which is no secret."""
    receiver = OtlpReceiver()
    await receiver.start()
    await receiver.stop()
    found = await Collector(receiver.url).post("/v1/traces", b"")
    assert found.outcome is Outcome.BUSY
    assert found.why.startswith("localhost: ")


async def test_its_certificate_is_checked(tmp_path: Path) -> None:
    """By the authorities of the system, or by those in a file."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    receiver = OtlpReceiver(tls=context)
    await receiver.start()
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    known = await Collector(receiver.url, ca_file=file).post("/v1/traces", b"")
    assert known.outcome is Outcome.TAKEN
    unknown = await Collector(receiver.url).post("/v1/traces", b"")
    assert unknown.outcome is Outcome.BUSY
    assert unknown.why.startswith("the certificate of localhost: ")
    await asyncio.sleep(0)
    await receiver.stop()


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_file_without_authorities_is_a_mistake_in_the_settings(
    tmp_path: Path, text: str | None
) -> None:
    """Told at the start, with the name of the setting."""
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError) as told:
        Collector("https://collector.test", ca_file=file)
    assert told.value.where == "telemetry.otlp.ca_file"
