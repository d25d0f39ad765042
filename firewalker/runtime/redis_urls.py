"""URLs that name several servers: ``scheme://user:password@host:port,host:port/…``. What their schemes mean is not here."""

from urllib.parse import SplitResult, urlsplit, urlunsplit


def hosts(parts: SplitResult, default_port: int) -> list[tuple[str, int]]:
    """The hosts and ports that a URL names.

    Raises:
        ValueError: One of them is no host and port.
    """
    listed = parts.netloc.rpartition("@")[2]
    return [_address(each, default_port) for each in listed.split(",")] if listed else []


def of_server(scheme: str, parts: SplitResult, host: str, port: int) -> str:
    """The URL of one server, with the credentials and the query of the URL that *parts* are of."""
    credentials, at, _ = parts.netloc.rpartition("@")
    bracketed = f"[{host}]" if ":" in host else host
    return urlunsplit((scheme, f"{credentials}{at}{bracketed}:{port}", "", parts.query, ""))


def _address(text: str, default_port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError(f"{text!r} is no host and port")
    return parts.hostname, parts.port or default_port  # a port that is none raises ValueError
