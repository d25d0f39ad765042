"""TLS of the ports and of channels: 1.2 or later, nothing but HTTP/2, certificates that change without a restart (NET-44).

Which connection gets which is `entrance.py`'s. Clients show no certificate: people sign in, services have a credential.
"""

import ssl
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import NoReturn

import structlog
from cryptography import x509
from prometheus_client import Gauge

from firewalker.runtime.metrics import REGISTRY

ALPN = "h2"
"""The one protocol that is spoken here."""

LOOK_EVERY_S = 10.0
"""How often the files are looked at, while clients connect: a look is two `stat`s."""

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2; those that RFC 9113 (9.2.2) does not forbid. TLS 1.3 has only such."""

_EXPIRES = Gauge(
    "firewalker_tls_certificate_expires_timestamp_seconds",
    "When the certificate in use expires, in Unix time.",
    ["file"],
    registry=REGISTRY,
)

_log = structlog.get_logger("firewalker.grpc")


class ServerTls:
    """The certificate of a port. Connections that exist keep theirs; new ones get what is in the files."""

    def __init__(self, certificate: Path, key: Path, clock: Callable[[], float] = monotonic) -> None:
        """*certificate* is the chain in PEM, the port's own first; *key* its private key, not encrypted.

        Raises:
            OSError: A file cannot be read, or the two do not fit.
        """
        self._certificate = certificate
        self._key = key
        self._clock = clock
        self._seen = self._stamp()
        self._context = self._load()
        self._look_at = clock() + LOOK_EVERY_S

    def context(self) -> ssl.SSLContext:
        """For one new connection. Files that cannot be used are logged once, and what there was stays."""
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY_S
            self._look()
        return self._context

    def _look(self) -> None:
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return
            # Seen, whatever comes of it: half of a new pair is looked at again when the other half is there.
            self._seen = stamp
            self._context = self._load()
        except OSError as error:
            _log.error("certificate_unusable", file=str(self._certificate), error=str(error))
        else:
            _log.info("certificate_changed", file=str(self._certificate))

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        return tuple((s.st_mtime_ns, s.st_ino, s.st_size) for s in (self._certificate.stat(), self._key.stat()))

    def _load(self) -> ssl.SSLContext:
        # A context of its own: one in use would be left with half of a pair that does not fit.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _harden(context)
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.load_cert_chain(self._certificate, self._key, password=_no_password)
        first = x509.load_pem_x509_certificates(self._certificate.read_bytes())[0]
        _EXPIRES.labels(str(self._certificate)).set(first.not_valid_after_utc.timestamp())
        return context


def client_context(ca_file: Path) -> ssl.SSLContext:
    """For channels: peers have to show a certificate for the name they are called by, signed by one in *ca_file*.

    Raises:
        OSError: The file cannot be read, or holds no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    context.load_verify_locations(ca_file)
    return context


def speaks_h2(ssl_object: ssl.SSLObject | None) -> bool:
    """Whether both sides have agreed on HTTP/2 in the handshake, as RFC 9113 (3.3) wants."""
    return ssl_object is not None and ssl_object.selected_alpn_protocol() == ALPN


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols([ALPN])


def _no_password() -> NoReturn:
    """Instead of a question on the terminal."""
    raise ssl.SSLError("the key is encrypted")
