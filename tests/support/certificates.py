"""Certificates made on the spot: an authority, and files of what it has signed."""

import ssl
from collections.abc import Sequence
from pathlib import Path

import trustme


class Authority:
    """A certificate authority of its own, with its certificate in *folder*."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._ca = trustme.CA()
        self._folder = folder
        self.file = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    @property
    def pem(self) -> bytes:
        return self._ca.cert_pem.bytes()

    def issue(self, *names: str, called: str = "server") -> tuple[Path, Path]:
        """A certificate for *names* and its key, in files; written over those of the same *called*."""
        made = self._ca.issue_cert(*(names or ("127.0.0.1",)))
        certificate, key = self._folder / f"{called}.pem", self._folder / f"{called}.key"
        key.write_bytes(made.private_key_pem.bytes())
        certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        return certificate, key

    def client(self, alpn: Sequence[str] = ("h2",)) -> ssl.SSLContext:
        """For a client that trusts it."""
        context = ssl.create_default_context(cafile=str(self.file))
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context
