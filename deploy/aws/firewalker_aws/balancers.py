"""The three ways in: ALB for REST, NLB for gRPC, and an internal NLB for calls between processes, with a name of its own.

gRPC goes through a TCP balancer so that a stream of hours is one connection that nothing between looks into, and so that the
addresses stay the same. (ALB speaks gRPC too since 2020.) The price: a connection stays with the process it was opened to, so
load spreads only as connections are opened. Services therefore end connections after a while (``limits``: connection age), and
clients come back, to another process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from aws_cdk import Duration, Stack
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from firewalker_aws.images import Storage
from firewalker_aws.network import Network
from firewalker_aws.plan import GRPC_PORTS, INSIDE, INTERNAL_PORTS, PRIVATE_ZONE, REST_PATHS, REST_PORT, SERVICES, Sizes

Fleets = dict[str, autoscaling.AutoScalingGroup]

REST_DEREGISTRATION = Duration.seconds(60)
GRPC_DEREGISTRATION = Duration.seconds(120)
"""How long an instance stays after it is taken out, before it is told to stop. ALB lets requests end meanwhile and then cuts
what is left, long streams too; NLB may take as long to send it no new connection."""


@dataclass(frozen=True)
class Ground:
    """What balancers stand on."""

    stack: Stack
    sizes: Sizes
    network: Network
    storage: Storage
    fleets: Fleets


@dataclass(frozen=True)
class Balancers:
    """The balancers, and by name the target groups behind them."""

    rest: elbv2.ApplicationLoadBalancer
    grpc: elbv2.NetworkLoadBalancer
    inner: elbv2.NetworkLoadBalancer
    rest_targets: elbv2.ApplicationTargetGroup
    grpc_targets: dict[str, elbv2.NetworkTargetGroup]


def make_balancers(ground: Ground, certificate_arn: str) -> Balancers:
    """Make all of it. The certificate has to cover the names of both public balancers."""
    certificate = acm.Certificate.from_certificate_arn(ground.stack, "Certificate", certificate_arn)
    rest, rest_targets = _rest(ground, certificate)
    grpc, grpc_targets = _grpc(ground, certificate)
    return Balancers(rest, grpc, _inner(ground), rest_targets, grpc_targets)


def _rest(
    ground: Ground, certificate: acm.ICertificate
) -> tuple[elbv2.ApplicationLoadBalancer, elbv2.ApplicationTargetGroup]:
    balancer = elbv2.ApplicationLoadBalancer(
        ground.stack,
        "RestBalancer",
        vpc=ground.network.vpc,
        internet_facing=True,
        security_group=ground.network.alb,
        deletion_protection=ground.sizes.guarded,
        drop_invalid_header_fields=True,
        idle_timeout=Duration.seconds(60),  # the transcoder keeps connections for 75 s, streams send every 15 s
    )
    balancer.log_access_logs(ground.storage.logs, "rest")
    balancer.add_redirect()
    group = elbv2.ApplicationTargetGroup(
        ground.stack,
        "RestTargets",
        vpc=ground.network.vpc,
        port=REST_PORT,
        protocol=elbv2.ApplicationProtocol.HTTP,
        targets=[ground.fleets["transcoder"]],
        deregistration_delay=REST_DEREGISTRATION,
        load_balancing_algorithm_type=elbv2.TargetGroupLoadBalancingAlgorithmType.LEAST_OUTSTANDING_REQUESTS,
        health_check=elbv2.HealthCheck(
            path="/readyz", interval=Duration.seconds(5), timeout=Duration.seconds(4), healthy_threshold_count=2
        ),
    )
    listener = balancer.add_listener(
        "Https",
        port=443,
        certificates=[certificate],
        ssl_policy=elbv2.SslPolicy.TLS13_RES,
        open=False,  # the security group says who may
        default_action=elbv2.ListenerAction.fixed_response(404, content_type="application/json", message_body="{}"),
    )
    for number, (name, paths) in enumerate(REST_PATHS.items(), 1):
        listener.add_action(
            name,
            priority=number * 10,
            conditions=[elbv2.ListenerCondition.path_patterns(list(paths))],
            action=elbv2.ListenerAction.forward([group]),
        )
    return balancer, group


def _grpc(
    ground: Ground, certificate: acm.ICertificate
) -> tuple[elbv2.NetworkLoadBalancer, dict[str, elbv2.NetworkTargetGroup]]:
    balancer = elbv2.NetworkLoadBalancer(
        ground.stack,
        "GrpcBalancer",
        vpc=ground.network.vpc,
        internet_facing=True,
        cross_zone_enabled=True,
        security_groups=[ground.network.nlb],
        deletion_protection=ground.sizes.guarded,
    )
    balancer.log_access_logs(ground.storage.logs, "grpc")
    groups = {}
    for service in SERVICES:
        groups[service] = _target_group(ground, service, GRPC_PORTS[service], public=True)
        balancer.add_listener(
            f"{service.title()}Grpc",
            port=GRPC_PORTS[service],
            protocol=elbv2.Protocol.TLS,
            certificates=[certificate],
            ssl_policy=elbv2.SslPolicy.TLS13_RES,
            alpn_policy=elbv2.AlpnPolicy.HTTP2_ONLY,  # gRPC clients insist on h2 being agreed on
            default_target_groups=[groups[service]],
        )
    return balancer, groups


def _inner(ground: Ground) -> elbv2.NetworkLoadBalancer:
    """What services and transcoder call: plain TCP inside the VPC, or the services' own TLS passed through."""
    balancer = elbv2.NetworkLoadBalancer(
        ground.stack,
        "InnerBalancer",
        vpc=ground.network.vpc,
        vpc_subnets=ground.network.app_subnets,
        internet_facing=False,
        cross_zone_enabled=True,
        security_groups=[ground.network.inner],
        deletion_protection=ground.sizes.guarded,
    )
    balancer.log_access_logs(ground.storage.logs, "inner")
    for service in SERVICES:
        for kind, port in (("Public", GRPC_PORTS[service]), ("Internal", INTERNAL_PORTS[service])):
            group = _target_group(ground, service, port, public=False)
            balancer.add_listener(
                f"{service.title()}{kind}", port=port, protocol=elbv2.Protocol.TCP, default_target_groups=[group]
            )
    zone = route53.PrivateHostedZone(ground.stack, "PrivateZone", vpc=ground.network.vpc, zone_name=PRIVATE_ZONE)
    record = route53.ARecord(
        ground.stack,
        "InnerName",
        zone=zone,
        record_name=INSIDE,
        target=route53.RecordTarget.from_alias(targets.LoadBalancerTarget(balancer)),
    )
    # CDK puts "dualstack." before it, a name that an ALB has and an NLB has not.
    resource = cast("Any", record.node.default_child)
    resource.add_property_override("AliasTarget.DNSName", balancer.load_balancer_dns_name)
    return balancer


def _target_group(ground: Ground, service: str, port: int, *, public: bool) -> elbv2.NetworkTargetGroup:
    """The instances of *service* at *port*.

    Connections outlast the delay: the process itself, told to stop when it is over, sends their clients elsewhere (GOAWAY) and
    answers what is under way. Ended by the balancer they would be cut before it hears of anything.

    The public one tells whose a connection is by the PROXY protocol, which the services expect from the public subnets; the
    address itself is the balancer's in both, so that answers find their way when both ends are instances of ours.
    """
    return elbv2.NetworkTargetGroup(
        ground.stack,
        f"{service.title()}{'Public' if public else 'Inner'}{port}",
        vpc=ground.network.vpc,
        port=port,
        protocol=elbv2.Protocol.TCP,
        targets=[ground.fleets[service]],
        preserve_client_ip=False,
        proxy_protocol_v2=public,
        connection_termination=False,
        deregistration_delay=GRPC_DEREGISTRATION,
        health_check=elbv2.HealthCheck(
            protocol=elbv2.Protocol.TCP,
            interval=Duration.seconds(5),
            timeout=Duration.seconds(4),
            healthy_threshold_count=2,
        ),
    )
