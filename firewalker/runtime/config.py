"""The configuration that every service has, and how it is read: strictly, from the environment and from secret files.

A service adds its own fields in a subclass. Variables are named ``FIREWALKER_<SERVICE>_<FIELD>``; a variable with that prefix
that no field knows is an error, because a misspelt setting would otherwise silently be a default.
"""

import json
import os
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator
from dataclasses import asdict
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, FilePath, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from firewalker.runtime import cluster, sentinels, settings
from firewalker.runtime.grpc.limits import Limits
from firewalker.runtime.masking import masked
from firewalker.runtime.mysql.address import Address
from firewalker.runtime.workers import MOST_WORKERS

Port = Annotated[int, Field(ge=0, le=65_535)]
"""A TCP port; 0 lets the system choose a free one, which only tests want."""

_ADDRESS = r"(\[[0-9A-Fa-f:]+\]|[^\s:,]+):[0-9]{1,5}"

Addresses = Annotated[str, Field(pattern=rf"^{_ADDRESS}(,{_ADDRESS})*$")]
"""Where a service is: ``host:port``, or several with commas between."""

Network = IPv4Network | IPv6Network

_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class ConfigError(ValueError):
    """The configuration, or a file that it names, cannot be used. The text has a line for each thing to mend, and no secret."""


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class ServiceConfig(BaseSettings):
    """What every service is told. Subclasses set ``env_prefix``, the ports' defaults, and add fields."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True)

    host: str = "127.0.0.1"
    """Address that both gRPC ports listen on. Loopback only, unless told otherwise; in a container ``0.0.0.0``, or nobody
    outside reaches the service."""

    port: Port
    """Public gRPC port. If another process has it, the service does not start."""

    internal_port: Port
    """gRPC port for the other services. Never put it behind the public balancer: only a credential protects it."""

    metrics_host: str = "127.0.0.1"
    """Address that the metrics listen on; they need no credential, so do not expose them."""

    metrics_port: Port | None = None
    """HTTP port of the metrics; none are served without it."""

    mysql_url: SecretStr
    """``mysql://user:password@host:port/database``, or with ``?unix_socket=…``; see `mysql.address`. Each service has a
    database of its own: two services on one refuse each other's migrations."""

    mysql_replica_url: SecretStr | None = None
    """The same database on one replica of that server (not an address that leads to several), in the same form, best by a
    user who may only SELECT. Statistics, past days and exports are then read there while it has all that they need, over up
    to ``pool_size`` connections. How far it is shows in GTIDs: without them (a binary log of that server, and on MySQL
    ``gtid_mode`` on both) it is never asked."""

    redis_url: SecretStr
    """``redis://``, ``rediss://`` or ``unix://`` URL, ``redis+sentinel://host:port,host:port/service`` or
    ``redis+cluster://host:port,host:port``, for all services the same (else revocations and frames do not arrive); without
    a variable of the service, FIREWALKER_REDIS_URL counts, or what FIREWALKER_REDIS_URL_FILE holds."""

    jwks_file: FilePath
    """Public keys of the access tokens, as a JWKS; read again when it is replaced. With the wrong ones every call is
    UNAUTHENTICATED. A new key has to be in it, everywhere, before it signs; `firewalker keys rotate` does it in this order."""

    service_token_file: FilePath
    """This service's credential for calling the others. If it is not in their allow file, events pile up in the outbox."""

    service_allow_file: FilePath
    """Which services may call the internal port: lines of a name and the SHA-256 of its credential in hexadecimal."""

    page_key_file: FilePath
    """Key of the page tokens: 32 bytes as base64url. All processes of a service need the same one, or lists break off."""

    log_pseudonym_key_file: FilePath | None = None
    """Key that replaces user ids in logs by pseudonyms: 32 bytes as base64url. Without it each process makes one up, and
    the lines of a user go together within one process alone."""

    pool_size: int = Field(default=10, ge=1, le=200)
    """Most MySQL connections of this process. Times the processes of all services it has to stay below the server's
    ``max_connections``; too few show as OVERLOADED. The step service opens ``ingest_lanes`` + 1 more, and where there is
    a replica each process another one."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged."""

    log_format: Literal["console", "json"] = "console"
    """For people, or for machines. One line per event in both."""

    trace_endpoint: str | None = Field(default=None, pattern=r"^https?://.+")
    """Where spans go: a collector's OTLP over HTTP, such as ``http://127.0.0.1:4318/v1/traces``. Without it none are made."""

    trace_share: float = Field(default=0.01, ge=0, le=1)
    """Which share of all traces is recorded. The same everywhere, or traces have holes: each process decides by their ids."""

    concurrency: int = Field(default=200, ge=1, le=10_000)
    """Unary calls that run at once in the beginning; what more come wait a moment or are OVERLOADED. Too few and the
    process idles, too many and all calls get slow together; from there on it is learnt, see ``concurrency_adaptive``."""

    concurrency_adaptive: bool = True
    """Learn from how long calls take how many may run at once. Off, ``concurrency`` stays as it is."""

    rate_limits: bool = True
    """Limit how often one user, or one address, may call. Without it one client can take the turns of all others."""

    exempt_networks: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_listed)] = _LOOPBACK
    """Networks, separated by commas, whose calls and connections are not counted; loopback, unless told otherwise. Behind
    a proxy on the same machine that is not among ``trusted_proxies``, loopback is everybody: set it empty then."""

    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_listed)] = _LOOPBACK
    """Networks of the proxies, and of the transcoder, whose ``x-forwarded-for`` is believed. Without them all who come
    through one count as one address; with too wide ones clients can choose the address they are counted by. One connection
    from there may be reset and bothered as if each of its streams were another client's (``limits.streams`` times as much)."""

    proxy_protocol_from: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_listed)] = ()
    """Networks of balancers that pass connections on to the public port and tell whose they are by the PROXY protocol,
    version 2, in front of each. From there nothing is understood without, from elsewhere nothing with it. With too wide
    ones clients can choose the address they are counted by."""

    revocation_on_unknown: Literal["low_risk", "deny"] = "low_risk"
    """What happens to calls while it cannot be told whether their session has ended, as neither Redis nor MySQL answers:
    ``low_risk`` refuses the sensitive ones alone, ``deny`` all; the table is in ``runtime/revocation/doubts.py``."""

    redis_eviction: Literal["ask", "declared_none"] = "ask"
    """``ask``: do not start on a Redis that evicts keys, which would let ended sessions in again. ``declared_none``: do not
    ask; for a managed one whose CONFIG command is closed and whose ``maxmemory-policy`` you have set to ``noeviction``."""

    tls_certificate_file: FilePath | None = None
    """Certificate chain of the public port, in PEM. Without it the port is in plain text: for a balancer in front of it that
    ends TLS, or for this machine. Files that change are used for new connections within seconds, without a restart."""

    tls_key_file: FilePath | None = None
    """Its private key, in PEM, not encrypted. One without the other is an error."""

    internal_tls_certificate_file: FilePath | None = None
    """The same for the internal port. Its names have to be those in the other services' ``…_address``, and the other
    services need a ``tls_ca_file`` from then on."""

    internal_tls_key_file: FilePath | None = None
    """The private key of that."""

    tls_ca_file: FilePath | None = None
    """Certificates, in PEM, that vouch for the internal ports of the other services. With it all calls to them are made over
    TLS; without, in plain text. Where it and they differ, they are unavailable."""

    workers: int = Field(default=1, ge=1, le=MOST_WORKERS)
    """Processes that serve the ports together. Each has a pool of its own, and shows its metrics on ``metrics_port`` plus
    ten for every worker before it. The first process only starts and watches them; SIGHUP replaces them one by one."""

    share_port: bool = False
    """Let other processes listen on the same ports (SO_REUSEPORT), for a restart without a gap. Else a second process
    that is started by mistake is refused."""

    wire: Literal["fast", "plain"] = "fast"
    """How the gRPC server writes: ``plain`` leaves out the shortcuts below grpclib's surface, in case one is suspected."""

    limits: Limits = Limits()
    """What clients may do to the gRPC ports: numbers by name, as a JSON object, for those that differ from the defaults in
    ``runtime/grpc/limits.py``. Too tight and clients are cut off that do nothing wrong, too wide and one can hurt all."""

    drain_delay_s: float = Field(default=0.0, ge=0, le=300)
    """After SIGTERM: how long to go on taking calls while health says NOT_SERVING, so that balancers notice. Behind one:
    its interval of health checks times its threshold; shorter than that, clients see refused connections."""

    drain_s: float = Field(default=20.0, ge=0, le=300)
    """How long calls may then take to finish before they are cut off (NET-41)."""

    @field_validator("tls_key_file", "internal_tls_key_file")
    @classmethod
    def _with_its_certificate(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        certificate = str(info.field_name).replace("key", "certificate")
        if certificate in info.data and (key is None) != (info.data[certificate] is None):
            raise ValueError("goes together with the certificate's file: both or none")
        return key

    @field_validator("mysql_url", "mysql_replica_url")
    @classmethod
    def _readable(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            Address.parse(url.get_secret_value())
        return url

    @field_validator("redis_url")
    @classmethod
    def _known_scheme(cls, url: SecretStr) -> SecretStr:
        if cluster.parse(url.get_secret_value()) is not None:
            return url
        server, _ = sentinels.parse(url.get_secret_value())
        if server.partition("://")[0] not in ("redis", "rediss", "unix"):
            raise ValueError(
                "a Redis URL starts with redis://, rediss:// or unix://, or with one of the first two and +sentinel or +cluster"
            )
        return url


C = TypeVar("C", bound=ServiceConfig)


def load(config: type[C]) -> C:
    """Read *config* from the environment.

    A secret can also come from a file: ``FIREWALKER_USER_MYSQL_URL_FILE`` names one that holds the value.

    Raises:
        ConfigError: With everything that is wrong at once.
    """
    prefix = str(config.model_config.get("env_prefix", "")).upper()
    service = prefix.removeprefix("FIREWALKER_").rstrip("_")
    environment = {name.upper(): value for name, value in os.environ.items()}
    secrets = [field for field in config.model_fields if _is_secret(config, field)]
    known = {f"{prefix}{field.upper()}" for field in config.model_fields}
    known |= {f"{prefix}{field.upper()}_FILE" for field in secrets}
    problems = [
        f"{name}: there is no such setting"
        for name in sorted(environment)
        if name.startswith(prefix) and name not in known
    ]
    values: dict[str, Any] = {}
    unreadable: set[str] = set()
    for field in secrets:
        source = settings.source(environment, service, field.upper())
        if source is not None:
            try:
                values[field] = settings.value(environment, source)
            except (OSError, UnicodeError) as error:
                problems.append(f"{source.variable}: cannot be read ({type(error).__name__})")
                unreadable.add(field)
    try:
        made = config(**values)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False):
            field = str(found["loc"][0]) if found["loc"] else ""
            if field not in unreadable:
                problems.append(f"{prefix}{field.upper()}: {_plain(found['type'], found['msg'])}")
        raise ConfigError("\n".join(problems)) from None
    if problems:
        raise ConfigError("\n".join(problems))
    return made


def described(config: ServiceConfig) -> Iterator[str]:
    """A line ``NAME=value`` for each setting; of secrets only where they point, without passwords."""
    prefix = str(config.model_config.get("env_prefix", "")).upper()
    for field in type(config).model_fields:
        value = getattr(config, field)
        yield f"{prefix}{field.upper()}={_shown(value)}"


def read_key(path: Path) -> bytes:
    """The 32 bytes that the file holds as base64url text.

    Raises:
        ConfigError: It holds something else.
    """
    text = path.read_bytes().strip()
    try:
        key = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except Base64Error:
        key = b""
    if len(key) != 32:  # noqa: PLR2004 - said right here
        raise ConfigError(f"{path} does not hold a key of 32 bytes as base64url")
    return key


def _is_secret(config: type[ServiceConfig], field: str) -> bool:
    return config.model_fields[field].annotation in (SecretStr, SecretStr | None)


def _shown(value: object) -> str:
    if isinstance(value, Limits):
        return json.dumps(asdict(value))
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, SecretStr):
        return masked(value.get_secret_value())
    return "" if value is None else str(value)


def _plain(kind: str, message: str) -> str:
    return "has to be set" if kind == "missing" else message.removeprefix("Value error, ")
