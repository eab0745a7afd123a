"""Certificates made for a test: an authority of servers, one of clients."""

import ssl
from pathlib import Path

import trustme

__all__ = ("Authority",)


class Authority:
    """Issues certificates into files.

    Args:
        folder: where they go.
        name: tells the files of several authorities apart.
    """

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._name = name
        self._ca = trustme.CA()
        self.file = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def pair(
        self, *names: str, common_name: str | None = None, file: str = ""
    ) -> tuple[Path, Path]:
        """A certificate with its chain, and its key; again under the same name to replace them."""
        issued = self._ca.issue_cert(*names, common_name=common_name)
        stem = file or names[0].partition("/")[0].replace("@", "-at-")
        certificate = self._folder / f"{self._name}-{stem}.crt"
        key = self._folder / f"{self._name}-{stem}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        key.write_bytes(issued.private_key_pem.bytes())
        return certificate, key

    def client(
        self, own: tuple[Path, Path] | None = None, *, alpn: tuple[str, ...] = ()
    ) -> ssl.SSLContext:
        """The context of a client that believes this authority."""
        context = ssl.create_default_context(cafile=str(self.file))
        if own is not None:
            context.load_cert_chain(*own)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context
