"""What runs on AWS, how much of it, and what each process is told. Plain Python: the product's own tests read it too."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICES = ("user", "step", "notification")
GROUPS = (*SERVICES, "transcoder")
"""Each runs in an Auto Scaling group of its own."""

GRPC_PORTS: Mapping[str, int] = {"user": 50051, "step": 50052, "notification": 50053}
"""The same on the instances, inside, and on the public balancer."""
INTERNAL_PORTS: Mapping[str, int] = {"user": 50061, "step": 50062, "notification": 50063}
METRICS_PORTS: Mapping[str, int] = {"user": 9464, "step": 9465, "notification": 9466, "transcoder": 9467}
MOST_LAG_S = 10
"""How late a replica of MySQL may be; then the services ask it nothing more."""
START_WITHIN_S = 600
"""An instance is up and healthy by then, migrations included, or its version is rolled back."""
METRICS_STEP = 10
"""From one worker's metrics to the next one's."""
REST_PORT = 8080

CALLS: Mapping[str, tuple[str, ...]] = {
    "user": ("step", "notification"),
    "step": ("user", "notification"),
    "notification": ("user", "step"),
}
"""Whose internal port each calls."""

REST_PATHS: Mapping[str, tuple[str, ...]] = {
    "UserPaths": ("/v1/auth*", "/v1/users*", "/v1/friend*", "/v1/groups*", "/v1/blocks*"),
    "StepPaths": ("/v1/steps*", "/v1/leaderboards*", "/v1/goals*", "/v1/stats*"),
    "OtherPaths": ("/v1/devices*", "/v1/notifications*", "/.well-known/jwks.json", "/openapi.json", "/firewalker.*"),
    "PagePaths": ("/", "/web/*", "/session/*", "/verify-email", "/reset-password"),
}
"""What the balancer passes on to the transcoder; everything else is 404 without bothering it.

``/firewalker.*`` is Connect and gRPC-Web; the last row is the web page. A rule may hold five patterns. ``/metrics`` is on another
port and not reachable; ``/docs``, health and readiness are not public.
"""

PRIVATE_ZONE = "firewalker.internal"
INSIDE = f"grpc.{PRIVATE_ZONE}"
"""Name of the internal balancer: what services and transcoder call, and what an internal certificate has to be made for."""

SECRETS = "/run/secrets"  # where the container sees what the instance fetched
FILES: Mapping[str, str] = {
    "JWKS_FILE": "jwks.json",
    "SERVICE_TOKEN_FILE": "service.token",
    "SERVICE_ALLOW_FILE": "services.allow",
    "PAGE_KEY_FILE": "page.key",
    "LOG_PSEUDONYM_KEY_FILE": "log.key",
    "MYSQL_URL_FILE": "mysql.url",
}
"""Secret files of every service, by setting. ``mysql.url`` holds a URL with ``?ssl_ca=`` of `RDS_AUTHORITIES`."""
REPLICA_FILES: Mapping[str, str] = {"MYSQL_REPLICA_URL_FILE": "mysql_replica.url"}
"""And where a replica of MySQL answers reads: such a URL too, of that replica, by a user who may only read."""
OWN_FILES: Mapping[str, Mapping[str, str]] = {
    "user": {
        "ACCESS_TOKEN_KEY_FILE": "access_token.pem",
        "REFRESH_KEY_FILE": "refresh.key",
        "MAIL_URL_FILE": "mail.url",
        "PROVIDERS_FILE": "providers.json",
    },
    "step": {},
    "notification": {"FCM_CREDENTIALS": "fcm.json"},
}
"""Those of one service alone. Nobody else's role can read them."""
REDIS_URL_FILE = "redis.url"
"""Put together on the instance from the cache's address and its password."""
RDS_AUTHORITIES = "rds.pem"
"""The authorities of RDS, which the instance fetches from AWS beside the secrets."""


@dataclass(frozen=True)
class Fleet:
    """One Auto Scaling group."""

    instance: str
    least: int
    most: int
    workers: int
    """Processes on each instance: one per virtual processor."""
    cpu_target: int = 55
    """Percent. Doubling within the three minutes that an instance takes is then served at once."""
    streams_target: int | None = None
    """Open streams per process to keep to; None scales on processor alone."""


@dataclass(frozen=True)
class Sizes:
    """How much of everything an environment has."""

    name: Literal["dev", "prod"]
    fleets: Mapping[str, Fleet] = field(repr=False)
    nat_gateways: int
    database: str
    database_gib: int
    database_max_gib: int
    multi_az: bool
    replicas: int
    """Of MySQL. The secrets decide which of them a service reads from; with none, services are told of none."""
    backup_days: int
    """At most 35: whoever deletes an account is out of the last backup then."""
    cache: str
    cache_replicas: int
    log_days: int
    protected: bool
    """Keep what holds data when the stack goes."""
    guarded: bool
    """Refuse to delete the stack, its databases, and the balancers whose addresses people know."""


DEV = Sizes(
    name="dev",
    fleets={
        "user": Fleet("t4g.small", 1, 2, 2),
        "step": Fleet("t4g.small", 1, 3, 2, streams_target=2_000),
        "notification": Fleet("t4g.small", 1, 2, 2),
        "transcoder": Fleet("t4g.small", 1, 2, 1),
    },
    nat_gateways=1,
    database="t4g.medium",
    database_gib=20,
    database_max_gib=50,
    multi_az=False,
    replicas=0,
    backup_days=3,
    cache="cache.t4g.micro",
    cache_replicas=0,
    log_days=7,
    protected=False,
    guarded=False,
)
PROD = Sizes(
    name="prod",
    fleets={
        "user": Fleet("c7g.large", 2, 8, 2),
        "step": Fleet("c7g.xlarge", 2, 24, 4, streams_target=5_000),
        "notification": Fleet("c7g.large", 2, 6, 2),
        "transcoder": Fleet("c7g.large", 2, 8, 1),
    },
    nat_gateways=2,
    database="r7g.xlarge",
    database_gib=200,
    database_max_gib=2_000,
    multi_az=True,
    replicas=1,
    backup_days=35,
    cache="cache.r7g.large",
    cache_replicas=1,
    log_days=90,
    protected=True,
    guarded=True,
)
SIZES: Mapping[str, Sizes] = {sizes.name: sizes for sizes in (DEV, PROD)}


def without_instances(sizes: Sizes) -> Sizes:
    """The same with empty groups: for the first deployment, which makes the registry that images are pushed to.

    It guards nothing yet, so that CloudFormation can take back what it made if it fails.
    """
    empty = {name: replace(fleet, least=0) for name, fleet in sizes.fleets.items()}
    return replace(sizes, fleets=empty, guarded=False)


@dataclass(frozen=True)
class Place:
    """What processes are told of the account that they are in."""

    region: str
    public_networks: tuple[str, ...]
    """Where the public balancers' addresses are."""
    inner_networks: tuple[str, ...]
    """Where the internal balancer's and the instances' are."""
    images_bucket: str
    images_url: str
    web_url: str
    """Where links in mails and invitations lead to."""
    mail_from: str
    replica: bool = False
    """Whether MySQL has a replica, which then answers reads."""


def metrics_ports(group: str, workers: int) -> tuple[int, ...]:
    """Where the processes of one instance of *group* show their metrics."""
    return tuple(METRICS_PORTS[group] + METRICS_STEP * worker for worker in range(workers))


def settings(group: str, place: Place, fleet: Fleet) -> dict[str, str]:
    """The environment of *group*'s process, without a secret in it."""
    made = _transcoder(place) if group == "transcoder" else _service(group, place, fleet)
    return {f"FIREWALKER_{group.upper()}_{name}": value for name, value in made.items()}


def secret_files(service: str, *, replica: bool) -> dict[str, str]:
    """The secret files that an operator provides for *service*, by setting; *replica* says whether MySQL has one."""
    return {**FILES, **OWN_FILES[service], **(REPLICA_FILES if replica else {})}


def _service(service: str, place: Place, fleet: Fleet) -> dict[str, str]:
    made = {
        "HOST": "0.0.0.0",  # noqa: S104 - security groups decide who gets through
        "METRICS_HOST": "0.0.0.0",  # noqa: S104 - see above
        "METRICS_PORT": str(METRICS_PORTS[service]),
        "LOG_FORMAT": "json",
        "WORKERS": str(fleet.workers),
        "PROXY_PROTOCOL_FROM": ",".join(place.public_networks),
        # The chain of a REST call is its client, the public balancer and the transcoder, behind the internal balancer.
        "TRUSTED_PROXIES": ",".join((*place.public_networks, *place.inner_networks)),
        "REDIS_EVICTION": "declared_none",
        "DRAIN_DELAY_S": "15",
        "REDIS_URL_FILE": f"{SECRETS}/{REDIS_URL_FILE}",
        **{setting: f"{SECRETS}/{file}" for setting, file in secret_files(service, replica=place.replica).items()},
        **{f"{other.upper()}_ADDRESS": f"{INSIDE}:{INTERNAL_PORTS[other]}" for other in CALLS[service]},
    }
    if service == "user":
        made |= {
            "AVATAR_BUCKET": place.images_bucket,
            "AVATAR_REGION": place.region,
            "AVATAR_URL": place.images_url,
            "LINK_URL": place.web_url,
            "INVITE_LINK": f"{place.web_url}/?invite=",
            "MAIL_FROM": place.mail_from,
        }
    return made


def _transcoder(place: Place) -> dict[str, str]:
    del place
    backends = (f"firewalker.{service}.v1={INSIDE}:{GRPC_PORTS[service]}" for service in SERVICES)
    return {
        "HOST": "0.0.0.0",  # noqa: S104 - security groups decide who gets through
        "BACKENDS": ",".join(backends),
        "DESCRIPTOR_SET": "/app/api.binpb",
        "SESSION_SERVICE": "firewalker.user.v1.AuthService",
        "DRAIN_DELAY_S": "15",
    }
