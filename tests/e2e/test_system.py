"""The product beside other programs of the system: a browser, nginx, wrk."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import FREELY, Origin, StartGateway
from tests.e2e.kit import Gateway, Service, unused_port, wait_for
from tests.integration.gateway.certificates import Authority

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def _program(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed; scripts/install-system installs it as root")
    return path


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[str]:
    """The address of an nginx that serves the folder `files`."""
    program = _program("nginx")
    port = unused_port()
    folder = tmp_path / "nginx"
    (folder / "files").mkdir(parents=True)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log stderr;\n"
        "events {}\n"
        f"http {{ access_log off; {temporary}\n"
        # Otherwise nginx does not compress what a proxy asks for.
        "gzip on; gzip_proxied any; gzip_types text/plain; gzip_min_length 100;\n"
        f"server {{ listen 127.0.0.1:{port}; root {folder}/files;\n"
        "location /long/ { alias " + f"{folder}/files/; expires 1h; }}\n"
        "location = /moved { return 301 /hello.txt; } } }\n"
    )
    service = Service([program, "-p", str(folder), "-c", str(folder / "nginx.conf")], folder)
    try:
        url = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            assert service.process.poll() is None, service.stderr
            try:
                return httpx.get(url, trust_env=False).status_code > 0
            except httpx.HTTPError:
                return False

        wait_for(answers, "answer of nginx")
        yield url
        service.end()
    finally:
        service.kill()


def test_nginx_as_the_origin(
    nginx: str, gateway: StartGateway, http: httpx.Client, tmp_path: Path
) -> None:
    """Files, conditions, compression and redirects of nginx pass; fresh ones are hits."""
    files = tmp_path / "nginx" / "files"
    (files / "hello.txt").write_text("hello " * 1000)
    large = os.urandom(8 * 2**20)
    (files / "large.bin").write_bytes(large)
    running = gateway("--upstream", nginx, *FREELY)

    for path in ("/hello.txt", "/large.bin", "/missing", "/moved"):
        direct, through = http.get(nginx + path), http.get(running.url + path)
        assert through.status_code == direct.status_code
        assert hashlib.sha256(through.content).digest() == hashlib.sha256(direct.content).digest()
        for name in ("content-type", "content-encoding", "etag", "last-modified"):
            assert through.headers.get(name) == direct.headers.get(name), (path, name)
    ranged = {"range": "bytes=1000-1999"}
    direct, through = (http.get(f"{url}/large.bin", headers=ranged) for url in (nginx, running.url))
    assert (through.status_code, through.content) == (direct.status_code, direct.content)
    etag = http.get(f"{running.url}/large.bin").headers["etag"]
    same = http.get(f"{running.url}/large.bin", headers={"if-none-match": etag})
    assert (same.status_code, same.content) == (304, b"")

    plain = {"accept-encoding": "identity"}
    fresh = [http.get(f"{running.url}/long/hello.txt", headers=plain) for _ in range(2)]
    assert fresh[1].headers["cache-status"].startswith("lukhas; hit")
    packed = http.get(f"{running.url}/long/hello.txt", headers={"accept-encoding": "gzip"})
    assert packed.text == fresh[1].text == "hello " * 1000


@pytest.mark.parametrize("path", ["/fresh/wrk", "/plain/wrk"], ids=["hits", "forwarded"])
def test_wrk_sees_no_errors(before_origin: Gateway, path: str) -> None:
    """64 connections for three seconds get nothing but 200s."""
    wrk = _program("wrk")
    command = [wrk, "-t2", "-c64", "-d3s", "--latency", before_origin.url + path]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "Socket errors" not in done.stdout, done.stdout
    assert "Non-2xx" not in done.stdout, done.stdout
    found = re.search(r"(\d+) requests in", done.stdout)
    assert found is not None
    assert int(found[1]) > 500


@pytest.fixture
def secure(gateway: StartGateway, origin: Origin, tmp_path: Path) -> tuple[Gateway, Authority]:
    """A gateway with TLS, and who issued its certificate."""
    authority = Authority(tmp_path)
    certificate, key = authority.pair("localhost", "127.0.0.1")
    flags = ("--tls-cert", str(certificate), "--tls-key", str(key))
    return gateway("--upstream", origin.url, *FREELY, *flags), authority


@pytest.mark.parametrize(("flag", "version"), [("--http1.1", "1.1"), ("--http2", "2")])
def test_curl_over_tls(secure: tuple[Gateway, Authority], flag: str, version: str) -> None:
    """curl verifies the certificate and speaks both versions, bodies up and down."""
    running, authority = secure
    common = [_program("curl"), "-s", "--noproxy", "*", flag, "--cacert", str(authority.file)]
    done = subprocess.run(
        [*common, "-w", "%{http_version} %{http_code}", "-o", "-", f"{running.url}/fresh/curl"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.endswith(f"{version} 200")


@pytest.mark.parametrize(("version", "shown"), [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_openssl_s_client(secure: tuple[Gateway, Authority], version: str, shown: str) -> None:
    """OpenSSL agrees on version and ALPN and verifies the chain."""
    running, authority = secure
    host, port = running.address
    command = [
        _program("openssl"), "s_client", version, "-connect", f"{host}:{port}", "-alpn",
        "h2,http/1.1", "-servername", "localhost", "-CAfile", str(authority.file),
        "-verify_return_error",
    ]  # fmt: skip
    done = subprocess.run(command, input=b"", capture_output=True, check=True, timeout=60)
    said = done.stdout.decode(errors="replace")
    assert shown in said
    assert "ALPN protocol: h2" in said
    assert "Verify return code: 0 (ok)" in said


def test_old_tls_is_refused(secure: tuple[Gateway, Authority]) -> None:
    """OpenSSL gets no handshake with TLS 1.1."""
    running, _ = secure
    host, port = running.address
    command = [
        _program("openssl"), "s_client", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0",
        "-connect", f"{host}:{port}",
    ]  # fmt: skip
    done = subprocess.run(
        command, input="", capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode != 0


@pytest.mark.parametrize("path", ["/fresh/h2load", "/plain/h2load"], ids=["hits", "forwarded"])
def test_h2load_sees_no_errors(secure: tuple[Gateway, Authority], path: str) -> None:
    """16 connections with 8 streams each get nothing but 200s."""
    running, _ = secure
    command = [_program("h2load"), "-n", "8000", "-c", "16", "-m", "8", running.url + path]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    assert "Application protocol: h2" in done.stdout
    assert "8000 succeeded, 0 failed, 0 errored, 0 timeout" in done.stdout, done.stdout
    assert "8000 2xx" in done.stdout


def test_the_login_page_in_a_browser(before_origin: Gateway, tmp_path: Path) -> None:
    """A browser that asks for the dashboard gets the login form."""
    chromium = _program("chromium")
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [chromium, *FLAGS, profile, "--dump-dom", f"{before_origin.admin_url}/"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "<form" in done.stdout
    assert 'name="token"' in done.stdout
