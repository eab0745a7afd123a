"""`lukhas serve` with TLS, as a process: flags, faults, reloads, HTTP/2."""

import signal
import ssl
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import FREELY, Origin, StartGateway
from tests.e2e.kit import run_cli, wait_for
from tests.integration.gateway.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Issues the certificates of the gateway."""
    return Authority(tmp_path)


def test_https_with_two_flags(
    gateway: StartGateway, origin: Origin, authority: Authority, tmp_path: Path
) -> None:
    """Certificate and key are all it takes; HTTP/2 comes with it, and health tells of it."""
    certificate, key = authority.pair("127.0.0.1")
    flags = ("--tls-cert", str(certificate), "--tls-key", str(key))
    running = gateway("--upstream", origin.url, *FREELY, *flags)
    assert running.url.startswith("https://")
    context = ssl.create_default_context(cafile=str(authority.file))
    for http2 in (False, True):
        with httpx.Client(verify=context, http2=http2, trust_env=False) as client:
            answer = client.get(f"{running.url}/fresh/tls/{http2}")
            assert (answer.status_code, answer.http_version) == (
                200,
                "HTTP/2" if http2 else "HTTP/1.1",
            )
    headers = {"authorization": f"Bearer {running.token}"}

    def told() -> bool:
        page = httpx.get(f"{running.admin_url}/metrics", headers=headers, trust_env=False).text
        return "lukhas_tls_handshakes_failed 0" in page

    wait_for(told, "metrics of TLS")


@pytest.mark.parametrize(
    ("certificate", "key", "told"),
    [
        ("missing.pem", "missing.key", "missing.pem does not exist"),
        ("good.crt", "other.key", "is not that of the certificate in"),
        ("good.crt", "good.crt", "cannot be used"),
    ],
)
def test_files_that_cannot_be_used(
    authority: Authority, tmp_path: Path, certificate: str, key: str, told: str
) -> None:
    """One line that says which file and why, and exit code 2."""
    for name in ("good", "other"):
        pair = authority.pair(f"{name}.example", file=name)
        for made, suffix in zip(pair, ("crt", "key"), strict=True):
            made.rename(tmp_path / f"{name}.{suffix}")
    done = run_cli(
        "serve", "--upstream", "http://127.0.0.1:9", "--listen", "127.0.0.1:0", "--admin",
        "127.0.0.1:0", "--state-dir", str(tmp_path / "state"),
        "--tls-cert", str(tmp_path / certificate), "--tls-key", str(tmp_path / key),
    )  # fmt: skip
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.startswith("lukhas: tls.certificate: ")
    assert len(done.stderr.splitlines()) == 1


def test_reload_refuses_a_bad_pair_and_takes_a_good_one(
    gateway: StartGateway, origin: Origin, authority: Authority, tmp_path: Path
) -> None:
    """At SIGHUP a bad pair changes nothing; a good one is served by the new workers."""
    certificate, key = authority.pair("localhost", "127.0.0.1", file="pair")
    flags = ("--tls-cert", str(certificate), "--tls-key", str(key))
    running = gateway("--upstream", origin.url, *FREELY, *flags)
    context = ssl.create_default_context(cafile=str(authority.file))

    def serial() -> str:
        shown = ssl.get_server_certificate(running.address, ca_certs=str(authority.file))
        assert httpx.get(f"{running.url}/fresh/reload", verify=context, trust_env=False).is_success
        return shown

    first = serial()
    _, other = authority.pair("other.example", file="other")
    good = key.read_bytes()
    key.write_bytes(other.read_bytes())
    running.service.process.send_signal(signal.SIGHUP)
    running.service.wait_for_output("reload refused, nothing has changed: tls.certificate")
    assert serial() == first
    key.write_bytes(good)
    authority.pair("localhost", "127.0.0.1", file="pair")
    running.service.process.send_signal(signal.SIGHUP)
    running.service.wait_for_output("reload done")
    wait_for(lambda: serial() != first, "new certificate")
