"""What every service stands on, opened in order: MySQL, ended sessions, the edge; and its two ports on top.

A composition root opens the ground, builds its own rooms on it, and hands its doors back:

    ground = await open_ground(config, clock)
    ...
    return ground.app(config, public=[Door(...)], internal=[EventSinkDoor(...)], parts=[relay])
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firewalker.kernel.clock import Clock
from firewalker.runtime.config import ConfigError, ServiceConfig
from firewalker.runtime.grpc.admission import Admission
from firewalker.runtime.grpc.arrivals import raise_open_files
from firewalker.runtime.grpc.concurrency import ConcurrencyLimit
from firewalker.runtime.grpc.credentials import ServiceCredentials
from firewalker.runtime.grpc.edge import Edge
from firewalker.runtime.grpc.rates import CallRates
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.grpc.tls import ServerTls
from firewalker.runtime.grpc.wire import Wire
from firewalker.runtime.mysql import Database, Replica
from firewalker.runtime.process import App, Part
from firewalker.runtime.rate_limits import RateLimits
from firewalker.runtime.revocation import OnUnknown, RevocationView, SessionDoubts, SessionTruth
from firewalker.runtime.revocation.eviction import ensure_nothing_is_evicted
from firewalker.runtime.tokens import AccessTokens, KeyRing
from firewalker.runtime.watched_file import WatchedFile


@dataclass(frozen=True)
class Ground:
    """The opened parts. *resources* closes them at the very end; put what is opened later on the same stack."""

    database: Database
    edge: Edge
    revocations: RevocationView
    resources: AsyncExitStack
    on_unknown: OnUnknown
    clock: Clock
    keys: KeyRing
    """The public keys of access tokens."""
    key_file: WatchedFile
    limits: RateLimits | None
    """Counts how often somebody does something; None where nothing is counted."""

    def settle_doubts_by(self, truth: SessionTruth) -> SessionDoubts:
        """While nothing is heard of ended sessions, have calls judged by what *truth* says. Returns who asks it."""
        self.edge.doubts = SessionDoubts(self.revocations, truth, on_unknown=self.on_unknown, clock=self.clock)
        return self.edge.doubts

    def app(
        self,
        config: ServiceConfig,
        *,
        public: Sequence[object],
        internal: Sequence[object],
        parts: Sequence[Part] = (),
    ) -> App:
        """The service with its doors: *public* and *internal* ones, each behind its own port, and background *parts*."""
        # Connections through a balancer that tells whose they are count for their clients.
        uncounted = (*config.exempt_networks, *config.trusted_proxies, *config.proxy_protocol_from)
        shared: dict[str, Any] = {
            "host": config.host,
            "wire": Wire(config.wire),
            "limits": config.limits,
            "uncounted": uncounted,
            "share_port": config.share_port,
        }
        return App(
            servers=[
                GrpcServer(
                    public,
                    self.edge,
                    port=config.port,
                    tls=_tls(config.tls_certificate_file, config.tls_key_file),
                    proxies=config.proxy_protocol_from,
                    trusted=config.trusted_proxies,
                    **shared,
                ),
                GrpcServer(
                    internal,
                    self.edge,
                    port=config.internal_port,
                    internal=True,
                    tls=_tls(config.internal_tls_certificate_file, config.internal_tls_key_file),
                    **shared,
                ),
            ],
            parts=[self.key_file, self.revocations, *parts],
            resources=self.resources,
            checks={"mysql": self.database.ping},
        )


def _replica(config: ServiceConfig) -> Replica | None:
    if config.mysql_replica_url is None:
        return None
    primary, replica = config.mysql_url.get_secret_value(), config.mysql_replica_url.get_secret_value()
    return Replica(primary, replica, pool_size=config.pool_size)


def _tls(certificate: Path | None, key: Path | None) -> ServerTls | None:
    if certificate is None or key is None:
        return None
    try:
        return ServerTls(certificate, key)
    except OSError as error:
        raise ConfigError(f"{certificate} and {key} are no certificate and key: {error}") from None


async def open_ground(config: ServiceConfig, clock: Clock) -> Ground:
    """Open the pool and read the key files.

    Raises:
        ConfigError, OSError: A file is not what it should be.
        DatabaseUnavailable: MySQL does not answer.
    """
    raise_open_files()
    async with AsyncExitStack() as opened:
        database = await opened.enter_async_context(
            Database(config.mysql_url.get_secret_value(), pool_size=config.pool_size, replica=_replica(config))
        )
        if config.redis_eviction == "ask":
            await ensure_nothing_is_evicted(config.redis_url.get_secret_value())
        revocations = RevocationView(config.redis_url.get_secret_value(), clock=clock)
        limits = rates = None
        if config.rate_limits:
            limits = RateLimits(config.redis_url.get_secret_value())
            opened.push_async_callback(limits.close)
            rates = CallRates(limits, trusted=config.trusted_proxies, exempt=config.exempt_networks)
        keys = KeyRing.from_file(config.jwks_file)
        key_file = WatchedFile(config.jwks_file, lambda path: keys.become(KeyRing.from_file(path)))
        edge = Edge(
            tokens=AccessTokens(keys, clock=clock),
            revocations=revocations,
            services=ServiceCredentials.from_file(config.service_allow_file),
            clock=clock,
            admission=Admission(ConcurrencyLimit(config.concurrency, adaptive=config.concurrency_adaptive)),
            rates=rates,
        )
        return Ground(
            database=database,
            edge=edge,
            revocations=revocations,
            resources=opened.pop_all(),
            on_unknown=config.revocation_on_unknown,
            clock=clock,
            keys=keys,
            key_file=key_file,
            limits=limits,
        )
