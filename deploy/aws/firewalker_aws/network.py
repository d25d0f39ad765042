"""The network: two zones, three tiers of subnets, and one security group for each kind of thing, named for who it is."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from firewalker_aws.plan import GROUPS, GRPC_PORTS, INTERNAL_PORTS, REST_PORT, SERVICES, Sizes, metrics_ports

PUBLIC = ("10.20.0.0/24", "10.20.1.0/24")
APP = ("10.20.4.0/22", "10.20.8.0/22")
"""What `Vpc` gives to these tiers, in this order; a test compares."""

MYSQL = 3306
REDIS = 6379
SSH = 22


@dataclass(frozen=True)
class Network:
    """The VPC and its security groups."""

    vpc: ec2.Vpc
    alb: ec2.SecurityGroup
    nlb: ec2.SecurityGroup
    inner: ec2.SecurityGroup
    """Of the internal balancer."""
    service: ec2.SecurityGroup
    transcoder: ec2.SecurityGroup
    database: ec2.SecurityGroup
    cache: ec2.SecurityGroup
    bastion: ec2.SecurityGroup

    @property
    def app_subnets(self) -> ec2.SubnetSelection:
        """With a way out through NAT, none in: where processes run."""
        return ec2.SubnetSelection(subnet_group_name="app")

    @property
    def data_subnets(self) -> ec2.SubnetSelection:
        """With no way out at all."""
        return ec2.SubnetSelection(subnet_group_name="data")


def make_network(stack: Stack, sizes: Sizes, zones: list[str], ssh_from: str | None) -> Network:
    """Make all of it. *ssh_from* is a network that may open SSH to the bastion; none means Session Manager alone."""
    vpc = ec2.Vpc(
        stack,
        "Vpc",
        ip_addresses=ec2.IpAddresses.cidr("10.20.0.0/16"),
        availability_zones=zones,  # named, so that synthesis never looks into an account
        nat_gateways=sizes.nat_gateways,
        subnet_configuration=[
            ec2.SubnetConfiguration(name="public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24),
            ec2.SubnetConfiguration(name="app", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=22),
            ec2.SubnetConfiguration(name="data", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=24),
        ],
        gateway_endpoints={"S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)},
        restrict_default_security_group=False,  # would need a Lambda function; nothing uses that group
    )
    vpc.add_flow_log("FlowLog")

    def group(name: str, what: str, *, outbound: bool) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(stack, name, vpc=vpc, description=what, allow_all_outbound=outbound)

    made = Network(
        vpc=vpc,
        alb=group("RestBalancerAccess", "REST from the internet", outbound=False),
        nlb=group("GrpcBalancerAccess", "gRPC from the internet", outbound=False),
        inner=group("InnerBalancerAccess", "gRPC between processes", outbound=False),
        service=group("ServiceAccess", "user, step and notification", outbound=True),
        transcoder=group("TranscoderAccess", "the transcoder", outbound=True),
        database=group("DatabaseAccess", "MySQL", outbound=False),
        cache=group("CacheAccess", "Redis", outbound=False),
        bastion=group("BastionAccess", "the way in for operators", outbound=True),
    )
    _connect(made, sizes, ssh_from)
    return made


def _connect(network: Network, sizes: Sizes, ssh_from: str | None) -> None:
    """Who may open connections to whom; nothing else gets through."""

    def allow(source: ec2.SecurityGroup, target: ec2.SecurityGroup, port: int) -> None:
        target.add_ingress_rule(source, ec2.Port.tcp(port))
        if not source.allow_all_outbound:
            source.add_egress_rule(target, ec2.Port.tcp(port))

    for port in (80, 443):
        network.alb.add_ingress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port))
    allow(network.alb, network.transcoder, REST_PORT)
    for service in SERVICES:
        network.nlb.add_ingress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(GRPC_PORTS[service]))
        allow(network.nlb, network.service, GRPC_PORTS[service])
        allow(network.transcoder, network.inner, GRPC_PORTS[service])
        allow(network.service, network.inner, INTERNAL_PORTS[service])
        allow(network.inner, network.service, GRPC_PORTS[service])
        allow(network.inner, network.service, INTERNAL_PORTS[service])
    for name in GROUPS:
        for port in metrics_ports(name, sizes.fleets[name].workers):
            allow(network.bastion, network.transcoder if name == "transcoder" else network.service, port)
    allow(network.service, network.database, MYSQL)
    allow(network.bastion, network.database, MYSQL)
    allow(network.service, network.cache, REDIS)
    allow(network.bastion, network.cache, REDIS)
    if ssh_from is not None:
        network.bastion.add_ingress_rule(ec2.Peer.ipv4(ssh_from), ec2.Port.tcp(SSH))
