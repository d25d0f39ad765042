"""Where a database is: the URL of the configuration, read strictly."""

import ssl
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

_DEFAULT_PORT = 3306


@dataclass(frozen=True, slots=True)
class Address:
    """A server, who signs in there, and the database to use.

    *unix_socket* wins over host and port. *tls* is what to check the server against; None sends in the clear, which is for
    sockets and private networks.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    unix_socket: str | None
    tls: ssl.SSLContext | None = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read ``mysql://user:password@host:port/database?unix_socket=%2Fpath``.

        With TLS: ``?ssl=true`` checks the server's name against the system's authorities, ``ssl_ca=/file`` against those
        in the file; ``ssl_cert=/file&ssl_key=/file`` present a certificate of ours.

        Raises:
            ValueError: Not of that form; the text names the part, never the password.
        """
        parts = urlsplit(url)
        if parts.scheme != "mysql":
            raise ValueError("a MySQL URL starts with mysql://")
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        unknown = options.keys() - {"unix_socket", "ssl", "ssl_ca", "ssl_cert", "ssl_key"}
        if unknown:
            raise ValueError(f"unknown options in the MySQL URL: {', '.join(sorted(unknown))}")
        try:
            port = parts.port or _DEFAULT_PORT
        except ValueError:
            # Said anew: the original text quotes what may be part of a password with an unquoted slash.
            raise ValueError(
                "the port of the MySQL URL is no number; quote special characters of the password"
            ) from None
        return cls(
            host=parts.hostname or "localhost",
            port=port,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=unquote(parts.path.removeprefix("/")),
            unix_socket=options.get("unix_socket") or None,
            tls=_tls(options),
        )

    def without_database(self) -> Self:
        """The same server with no database chosen, for making one."""
        return replace(self, database="")


def _tls(options: dict[str, str]) -> ssl.SSLContext | None:
    asked = options.get("ssl", "true" if {"ssl_ca", "ssl_cert"} & options.keys() else "false")
    if asked not in ("true", "false"):
        raise ValueError("ssl in the MySQL URL is either true or false")
    if asked == "false":
        return None
    context = ssl.create_default_context(cafile=options.get("ssl_ca"))
    if "ssl_cert" in options:
        context.load_cert_chain(options["ssl_cert"], options.get("ssl_key"))
    return context
