"""A browser that speaks HTTP/2 with the gateway."""

import base64
import hashlib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import sync_playwright

from tests.e2e.conftest import FREELY, Origin, StartGateway
from tests.e2e.dashboard import start_browser
from tests.integration.gateway.certificates import Authority

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

_STREAMS = 60
_SPOKEN = "performance.getEntriesByType('navigation')[0].nextHopProtocol"
# Requests of the page itself, all at once; what each gave, and what it was spoken over.
_ASK = """
async streams => {
  const statuses = await Promise.all([...Array(streams).keys()].map(async number => {
    const sent = number % 3 ? {} : {method: "POST", body: "x".repeat(100000)};
    const answer = await fetch("/fresh/streams/" + number, sent);
    await answer.arrayBuffer();
    return answer.status;
  }));
  const spoken = performance.getEntriesByType("resource")
    .filter(entry => entry.name.includes("/streams/")).map(entry => entry.nextHopProtocol);
  return {statuses, spoken};
}
"""


def _key_digest(certificate: Path) -> str:
    """The SHA-256 of a public key, by which Chromium can be told to believe it."""
    loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
    key = loaded.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


def test_a_browser_over_http2(gateway: StartGateway, origin: Origin, tmp_path: Path) -> None:
    """The page and sixty requests at once, with bodies up and down, go over HTTP/2."""
    certificate, key = Authority(tmp_path).pair("localhost", "127.0.0.1")
    flags = ("--tls-cert", str(certificate), "--tls-key", str(key))
    running = gateway("--upstream", origin.url, *FREELY, *flags)
    believed = f"--ignore-certificate-errors-spki-list={_key_digest(certificate)}"
    with sync_playwright() as playwright:
        browser = start_browser(playwright, believed)
        try:
            page = browser.new_page()
            page.goto(f"{running.url}/fresh/page")
            assert page.evaluate(_SPOKEN) == "h2"
            outcome = page.evaluate(_ASK, _STREAMS)
        finally:
            browser.close()
    assert outcome == {"statuses": [200] * _STREAMS, "spoken": ["h2"] * _STREAMS}
