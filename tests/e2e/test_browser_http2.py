"""A browser that speaks HTTP/2 with the gateway."""

import base64
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.e2e.chromium import run_chromium
from tests.e2e.conftest import FREELY, Origin, StartGateway
from tests.e2e.kit import wait_for
from tests.integration.gateway.certificates import Authority

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

_STREAMS = 60
# Requests of the page itself, all at once; what each gave, and what it was spoken over.
_ASK = """
Promise.all([...Array(%d).keys()].map(async number => {
  const path = "/fresh/streams/" + number;
  const sent = number %% 3 ? {} : {method: "POST", body: "x".repeat(100000)};
  const answer = await fetch(path, sent);
  await answer.arrayBuffer();
  return answer.status;
})).then(statuses => {
  const spoken = performance.getEntriesByType("resource")
    .filter(entry => entry.name.includes("/streams/")).map(entry => entry.nextHopProtocol);
  window.outcome = JSON.stringify({statuses, spoken});
}, error => { window.outcome = JSON.stringify({error: String(error)}); }); true
"""


def _key_digest(certificate: Path) -> str:
    """The SHA-256 of a public key, by which Chromium can be told to believe it."""
    loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
    key = loaded.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


def test_a_browser_over_http2(gateway: StartGateway, origin: Origin, tmp_path: Path) -> None:
    """The page and sixty requests at once, with bodies up and down, go over HTTP/2."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed; scripts/install-system installs it as root")
    certificate, key = Authority(tmp_path).pair("localhost", "127.0.0.1")
    flags = ("--tls-cert", str(certificate), "--tls-key", str(key))
    running = gateway("--upstream", origin.url, *FREELY, *flags)
    believed = f"--ignore-certificate-errors-spki-list={_key_digest(certificate)}"
    with run_chromium(chromium, tmp_path, believed) as page:
        page.open(f"{running.url}/fresh/page")
        spoken = "performance.getEntriesByType('navigation')[0]?.nextHopProtocol"
        wait_for(lambda: page.run(f"location.protocol === 'https:' && {spoken}"), "page")
        assert page.run(spoken) == "h2"
        page.run(_ASK % _STREAMS)
        outcome = json.loads(wait_for(lambda: page.run("window.outcome"), "answers"))
    assert outcome == {"statuses": [200] * _STREAMS, "spoken": ["h2"] * _STREAMS}
