"""Configuration from the environment: every field, its default, and what breaks when it is wrong.

Variables are ``FIREWALKER_TRANSCODER_<FIELD>``. One with that prefix that names no field stops the start.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, FilePath, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from transcoder.backends import Address
from transcoder.metadata import forwardable

PREFIX: Final = "FIREWALKER_TRANSCODER_"

_LARGEST_PORT: Final = 65_535
_ORIGIN: Final = re.compile(r"\*|https?://[A-Za-z0-9.\[\]:-]+")


class ConfigError(ValueError):
    """The configuration cannot be used; one line per fault, each naming its variable."""


def _names(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _addresses(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found: dict[str, tuple[Address, ...]] = {}
    for part in _names(value):
        prefix, equals, where = part.partition("=")
        if prefix in found:
            raise ValueError(f"{prefix} is there twice")
        addresses = []
        for place in where.split("|"):
            host, colon, port = place.rpartition(":")
            if not (prefix and equals and host and colon and port.isdigit() and 0 < int(port) <= _LARGEST_PORT):
                raise ValueError(f"{part!r} is not package=host:port")
            addresses.append(Address(host.removeprefix("[").removesuffix("]"), int(port)))
        found[prefix] = tuple(addresses)
    return found


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]


class Settings(BaseSettings):
    """What the process needs to know. Immutable; holds no secrets."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    """Address to listen on. Loopback unless told otherwise; a container sets ``0.0.0.0`` or it cannot be reached."""

    port: int = Field(8080, ge=0, le=_LARGEST_PORT)
    """Port for HTTP. 0 takes a free one, which the log names."""

    metrics_port: int = Field(9467, ge=0, le=_LARGEST_PORT)
    """Port for Prometheus, on the same address; 0 takes a free one. Keep it from the public."""

    descriptor_set: Path
    """A serialised FileDescriptorSet with all imports. An RPC that is not in it does not exist over HTTP."""

    backends: Annotated[dict[str, Address | tuple[Address, ...]], NoDecode, BeforeValidator(_addresses)]
    """``package=host:port,...``: where the services of each package are; the longest matching prefix wins. Several
    processes of one service are ``package=host:port|host:port``; calls go to them in turn.

    A service with HTTP rules and no backend stops the start.
    """

    tls_ca_file: FilePath | None = None
    """Certificates, in PEM, that vouch for the backends. With it all are called over TLS, by the names in ``backends``;
    without, in plain text. If it and they differ, every call is UNAVAILABLE."""

    max_request_bytes: int = Field(1_048_576, ge=1)
    """Largest request body, as sent and after gunzip; above it 413. Above a backend's own limit it answers instead."""

    max_response_bytes: int = Field(4_194_304, ge=1)
    """Largest message taken from a backend; above it RESOURCE_EXHAUSTED. Bounds memory per call."""

    max_header_bytes: int = Field(32_768, ge=1024)
    """Largest request line and headers together; above it 431."""

    max_depth: int = Field(64, ge=1, le=90)
    """Deepest nesting of JSON; above it 400. Protobuf itself carries 100 levels."""

    default_timeout_s: float = Field(10.0, gt=0)
    """Deadline of a call whose client sends no ``grpc-timeout``. Too short cuts off slow methods (password hashing)."""

    max_timeout_s: float = Field(30.0, gt=0)
    """Longest deadline a client may ask for; a longer wish is shortened."""

    request_timeout_s: float = Field(10.0, gt=0)
    """Longest time for headers to arrive, and again for the body; bounds slow senders."""

    idle_timeout_s: float = Field(75.0, gt=0)
    """How long a kept-alive connection may be idle. Longer than the balancer's (ALB: 60 s), or it answers 502 at times."""

    connect_timeout_s: float = Field(3.0, gt=0)
    """Longest time to connect to a backend and hear its HTTP/2 settings."""

    max_backend_connections: int = Field(64, ge=1)
    """Connections to one backend; each carries up to 100 calls. Above that calls are refused with UNAVAILABLE."""

    max_connections: int = Field(10_000, ge=1)
    """HTTP connections or requests at once; above it 503. Needs as many file descriptors."""

    max_streams: int = Field(5_000, ge=0)
    """Server streams at once; above it 503 with Retry-After."""

    stream_max_age_s: float = Field(3_600.0, gt=0)
    """Longest life of a server stream; it then ends with DEADLINE_EXCEEDED and the client opens a new one."""

    stream_first_message_s: float = Field(10.0, gt=0)
    """How long the status line waits for the first message; after it 200 is sent, and errors become stream records.

    Longer than a proxy's patience for headers, and quiet streams never open.
    """

    stream_keepalive_s: float = Field(15.0, gt=0)
    """Quiet time after which an SSE stream gets a comment; shorter than every proxy's idle timeout on the way."""

    stream_send_timeout_s: float = Field(15.0, gt=0)
    """How long a slow reader may block its stream before the connection is cut; bounds memory of dead readers."""

    ignored_query: Names = ("key", "alt", "utm_*")
    """Query parameters that are ignored where a method has no such field; ``*`` at the end matches the rest.

    All other unknown ones are 400.
    """

    request_id_field: str = "request_id"
    """The string field of a request that the header ``Idempotency-Key`` fills; empty for none. Methods without such a
    field see the header as metadata alone."""

    cors_origins: Names = ()
    """Origins (``https://app.example``) whose pages may call this server from a browser; ``*`` for any. None: pages of
    other origins cannot read answers. No cookies are ever allowed across origins."""

    session_service: str = ""
    """The service (``pkg.AuthService``) whose SignUp, Login, Refresh and Logout stand behind ``/session``, where the web
    page keeps its refresh token in a cookie; empty for no such routes, and then nobody can sign in on the page."""

    ignore_unknown_fields: bool = False
    """Drop unknown JSON fields instead of refusing them. Hides typing errors of clients."""

    forward_headers: Names = ("authorization", "accept-language", "idempotency-key", "traceparent", "tracestate")
    """Request headers that become metadata; request id and client address always do. Nothing else is passed on."""

    return_headers: Names = ("cache-control", "content-language", "etag", "last-modified")
    """Response metadata that becomes headers. Nothing else is."""

    trace_endpoint: str | None = Field(None, pattern=r"^https?://.+")
    """Where spans go: a collector's OTLP over HTTP, such as ``http://127.0.0.1:4318/v1/traces``. Without it none are made."""

    trace_share: float = Field(0.01, ge=0, le=1)
    """Which share of all traces is recorded; the same as the services', or traces have holes."""

    api_title: str = "Firewalker"
    """Title of the OpenAPI document."""

    public_option: str = "firewalker.option.v1.public"
    """The bool option by which the contract marks methods that anybody may call; the OpenAPI document says which they are.
    Named wrongly, all methods look as if they wanted a token."""

    error_domain: str = "firewalker"
    """``domain`` in the ErrorInfo of the transcoder's own refusals."""

    drain_delay_s: float = Field(0.0, ge=0)
    """Time between SIGTERM (``/readyz`` turns 503) and closing the port: what the balancer needs to notice."""

    drain_timeout_s: float = Field(25.0, gt=0)
    """Longest time for calls in flight after that; what is left then is cut off."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged. Requests are ``info``."""

    log_format: Literal["json", "console"] = "json"
    """JSON lines for machines, or coloured text for a terminal."""

    @field_validator("forward_headers", "return_headers")
    @classmethod
    def _safe_to_pass(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not forwardable(name):
                raise ValueError(f"{name} cannot be passed on (write names in lower case; no hop-by-hop headers)")
        return names

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [name for name in names if not _ORIGIN.fullmatch(name)]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} is no origin like https://app.example (no path, no slash at the end)")
        return names

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read and check the process's environment.

        Raises:
            ConfigError: A value is missing, wrong or unknown.
        """
        environment = os.environ if environment is None else environment
        known = {PREFIX + name.upper() for name in cls.model_fields}
        given = {name: value for name, value in environment.items() if name.upper().startswith(PREFIX)}
        faults = [f"{name}: no such setting" for name in sorted(given) if name not in known]
        if faults:
            raise ConfigError("\n".join(faults))
        try:
            return cls.model_validate({name.removeprefix(PREFIX).lower(): value for name, value in given.items()})
        except ValidationError as error:
            lines = [f"{PREFIX}{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors()]
            raise ConfigError("\n".join(lines)) from error

    def lines(self) -> list[str]:
        """The effective configuration, one ``NAME=value`` a line."""
        return [f"{PREFIX}{name.upper()}={_shown(getattr(self, name))}" for name in type(self).model_fields]


def _places(found: Address | tuple[Address, ...]) -> str:
    return "|".join(map(str, found if isinstance(found, tuple) else (found,)))


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{prefix}={_places(found)}" for prefix, found in value.items())
    return ",".join(value) if isinstance(value, tuple) else str(value)
