"""Showing a secret setting without its secret: of a URL everything but passwords, of anything else nothing."""

MASK = "********"

_SHOWN_OPTIONS = frozenset({"unix_socket", "db", "ssl", "charset"})
"""Options of URLs that hold no secret; of all others only the name is shown."""


def masked(secret: str) -> str:
    """What may be shown of *secret*."""
    scheme, is_url, rest = secret.partition("://")
    if not is_url:
        return MASK
    rest, question, options = rest.partition("?")
    # A password may hold an @ or a / that was not escaped: the host begins behind the last @.
    credentials, at, place = rest.rpartition("@")
    name, colon, _ = credentials.partition(":")
    shown = "&".join(_option(option) for option in options.split("&") if option)
    return f"{scheme}://{name}{colon}{MASK if colon else ''}{at}{place}{question}{shown}"


def _option(text: str) -> str:
    name, _, _ = text.partition("=")
    return text if name in _SHOWN_OPTIONS else f"{name}={MASK}"
