"""The certificates that the gateway serves with, taken up again when their files change."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from lukhas.config.tls import TlsSettings
from lukhas.errors import ConfigError
from lukhas.telemetry.health import PartHealth

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

__all__ = ("ServedCertificates", "check_tls")

_log = logging.getLogger("lukhas.tls")

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_CLIENTS = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}

_DAY_S = 86_400
_Choose = Callable[[ssl.SSLSocket | ssl.SSLObject, str | None, ssl.SSLContext], None]
_Signature = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class _Loaded:
    """Contexts made of the files as they were at one moment.

    Attributes:
        context: takes every handshake; it looks up the certificate for the name asked for.
        expires_s: when the first certificate ends (Unix time).
    """

    context: ssl.SSLContext
    expires_s: float


def check_tls(settings: TlsSettings) -> None:
    """Finds out whether the files can be served with.

    Raises:
        ConfigError: they cannot; it names the file and what is wrong.
    """
    if settings.certificate is not None:
        _load(settings, ())


class ServedCertificates:
    """What TLS is spoken with at present.

    Args:
        settings: with a certificate.
        protocols: what is offered by ALPN (RFC 7301), best first.

    Attributes:
        context: for the next handshake.
        failure: why changed files were not taken up; empty if they were.
        handshakes_failed: how many handshakes did not come to an end, kept by who does them.

    Raises:
        ConfigError: a file cannot be used.
    """

    def __init__(self, settings: TlsSettings, protocols: Iterable[str]) -> None:
        self._settings = settings
        self._protocols = tuple(protocols)
        self._files = [path for path in _paths(settings) if path is not None]
        self._seen = self._signature()
        loaded = _load(settings, self._protocols)
        self.context = loaded.context
        self._expires_s = loaded.expires_s
        self.failure = ""
        self.handshakes_failed = 0

    def look(self) -> bool:
        """Takes up files that have changed; where they cannot be used, all stays as it was.

        Returns:
            Whether other certificates are served from now on.
        """
        signature = self._signature()
        if signature == self._seen:
            return False
        self._seen = signature
        try:
            loaded = _load(self._settings, self._protocols)
        except ConfigError as error:
            self.failure = str(error)
            _log.error("changed TLS files are not taken up, the old ones serve on: %s", error)
            return False
        self.context = loaded.context
        self._expires_s = loaded.expires_s
        self.failure = ""
        _log.info("changed TLS files are taken up")
        return True

    async def follow(self) -> None:
        """Looks again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(self._settings.reload_s)
            self.look()

    def health(self, now_s: float) -> PartHealth:
        """How well TLS is at this time (Unix time)."""
        if now_s >= self._expires_s:
            return PartHealth("tls", "failed", "a certificate has expired")
        if self.failure:
            return PartHealth("tls", "degraded", f"the old files serve on: {self.failure}")
        days = int((self._expires_s - now_s) // _DAY_S)
        return PartHealth("tls", "ok", f"the certificates are good for {days} days")

    def _signature(self) -> _Signature:
        return tuple(_stamp(path) for path in self._files)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _paths(settings: TlsSettings) -> Iterable[Path | None]:
    yield from (settings.certificate, settings.key, settings.client_ca)
    for further in settings.certificates:
        yield from (further.certificate, further.key)


def _load(settings: TlsSettings, protocols: tuple[str, ...]) -> _Loaded:
    if settings.certificate is None:
        raise ConfigError("there is no certificate", where="tls.certificate")
    first = _context(settings, settings.certificate, settings.key, where="tls.certificate")
    if protocols:
        first.set_alpn_protocols(list(protocols))
    first.verify_mode = _CLIENTS[settings.client_certificates]
    if settings.client_ca is not None:
        try:
            first.load_verify_locations(settings.client_ca)
        except (OSError, ValueError) as error:
            _refuse(settings.client_ca, error, where="tls.client_ca")
    ends_s = _end_s(settings.certificate)
    named: dict[str, ssl.SSLContext] = {}
    for index, further in enumerate(settings.certificates):
        where = f"tls.certificates[{index}].certificate"
        context = _context(settings, further.certificate, further.key, where=where)
        for name in further.names or _names(further.certificate, where=where):
            named.setdefault(name, context)
        ends_s = min(ends_s, _end_s(further.certificate))
    if named:
        first.sni_callback = _by_name(named)
    return _Loaded(first, ends_s)


def _by_name(named: dict[str, ssl.SSLContext]) -> _Choose:
    def choose(
        handshake: ssl.SSLSocket | ssl.SSLObject, name: str | None, _first: ssl.SSLContext
    ) -> None:
        if name is None:
            return
        lower = name.lower()
        found = named.get(lower) or named.get("*." + lower.partition(".")[2])
        if found is not None:
            # Only the certificate changes with it: versions, ALPN and what clients must show
            # have been taken from the first context by then.
            handshake.context = found

    return choose


def _context(
    settings: TlsSettings, certificate: Path, key: Path | None, *, where: str
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[settings.min_version]
    # A client could ask for one handshake after another (CVE-2011-1473).
    context.options |= ssl.OP_NO_RENEGOTIATION
    if settings.ciphers is not None:
        try:
            context.set_ciphers(settings.ciphers)
        except ssl.SSLError:
            raise ConfigError(
                f"{settings.ciphers!r} names no cipher",
                where="tls.ciphers",
                hint="use the notation of openssl ciphers, or leave it out",
            ) from None
    try:
        # A password could only be asked for at a terminal, and there is none.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ValueError) as error:
        _refuse(certificate if key is None else key, error, where=where, pair=certificate)
    return context


def _refuse(path: Path, error: Exception, *, where: str, pair: Path | None = None) -> NoReturn:
    if isinstance(error, FileNotFoundError):
        missing = path if pair is None or pair.exists() else pair
        raise ConfigError(
            f"{missing} does not exist", where=where, hint="name a PEM file"
        ) from None
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        what = f"the key in {path} is not that of the certificate in {pair}"
        raise ConfigError(what, where=where, hint="give both files of one pair") from None
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        what = f"{path} cannot be read: {error.strerror}"
        raise ConfigError(what, where=where, hint="let the user of the gateway read it") from None
    both = path if pair in {None, path} else f"{pair} and {path}"
    raise ConfigError(
        f"{both} cannot be used: {getattr(error, 'reason', None) or error}",
        where=where,
        hint="give PEM files, the key without a password",
    ) from None


def _end_s(certificate: Path) -> float:
    return _parsed(certificate).not_valid_after_utc.timestamp()


def _names(certificate: Path, *, where: str) -> list[str]:
    from cryptography.x509 import DNSName, ExtensionNotFound, SubjectAlternativeName

    try:
        extension = _parsed(certificate).extensions.get_extension_for_class(SubjectAlternativeName)
        names = extension.value.get_values_for_type(DNSName)
    except ExtensionNotFound:
        names = []
    if not names:
        hint = "say for which with names"
        raise ConfigError(f"{certificate} is for no DNS name", where=where, hint=hint)
    return [name.lower() for name in names]


def _parsed(certificate: Path) -> "Certificate":
    # Here and not at the top: only a gateway that speaks TLS needs it.
    from cryptography.x509 import load_pem_x509_certificates

    return load_pem_x509_certificates(certificate.read_bytes())[0]
