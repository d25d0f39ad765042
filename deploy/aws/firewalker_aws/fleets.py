"""The Auto Scaling groups: one for each service and one for the transcoder, each with a role that can do what it needs only."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration, Stack
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from firewalker_aws import boot
from firewalker_aws.data import Data
from firewalker_aws.images import Storage
from firewalker_aws.network import Network
from firewalker_aws.plan import GROUPS, START_WITHIN_S, Fleet, Place, Sizes, secret_files, settings
from firewalker_aws.removal import kept

RETENTION = {7: logs.RetentionDays.ONE_WEEK, 90: logs.RetentionDays.THREE_MONTHS}

START_WITHIN = Duration.seconds(START_WITHIN_S)


@dataclass(frozen=True)
class Parts:
    """What a group is made of that others made before it."""

    network: Network
    data: Data
    storage: Storage
    key: kms.Key
    news: sns.Topic
    place: Place
    image_tag: str


def make_fleets(stack: Stack, sizes: Sizes, parts: Parts) -> dict[str, autoscaling.AutoScalingGroup]:
    """Make all groups, by name."""
    return {name: _fleet(stack, sizes, name, sizes.fleets[name], parts) for name in GROUPS}


def _fleet(stack: Stack, sizes: Sizes, name: str, fleet: Fleet, parts: Parts) -> autoscaling.AutoScalingGroup:
    title, network = name.title(), parts.network
    lines = logs.LogGroup(
        stack,
        f"{title}Log",
        encryption_key=parts.key,
        retention=RETENTION[sizes.log_days],
        removal_policy=kept(sizes),
    )
    role = _role(stack, name, parts, lines)
    user_data = ec2.UserData.for_linux(shebang=boot.INTERPRETER)
    template = ec2.LaunchTemplate(
        stack,
        f"{title}Template",
        machine_image=ec2.MachineImage.latest_amazon_linux2023(cpu_type=ec2.AmazonLinuxCpuType.ARM_64),
        instance_type=ec2.InstanceType(fleet.instance),
        security_group=network.transcoder if name == "transcoder" else network.service,
        role=role,
        user_data=user_data,
        require_imdsv2=True,
        http_put_response_hop_limit=2,  # one more, for the container: the user service signs links with its role
        detailed_monitoring=True,
        block_devices=[
            ec2.BlockDevice(
                device_name="/dev/xvda",
                volume=ec2.BlockDeviceVolume.ebs(20, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3),
            )
        ],
    )
    group = autoscaling.AutoScalingGroup(
        stack,
        f"{title}Fleet",
        vpc=network.vpc,
        vpc_subnets=network.app_subnets,
        launch_template=template,
        min_capacity=fleet.least,
        max_capacity=fleet.most,
        notifications=[autoscaling.NotificationConfiguration(topic=parts.news)],
        health_checks=autoscaling.HealthChecks.with_additional_checks(
            additional_types=[autoscaling.AdditionalHealthCheckType.ELB], grace_period=START_WITHIN
        ),
        signals=autoscaling.Signals.wait_for_min_capacity(timeout=START_WITHIN),
        update_policy=autoscaling.UpdatePolicy.rolling_update(
            max_batch_size=1,
            min_instances_in_service=fleet.least if fleet.least < fleet.most else fleet.least - 1,
            pause_time=START_WITHIN,
            suspend_processes=[
                autoscaling.ScalingProcess.ALARM_NOTIFICATION,
                autoscaling.ScalingProcess.SCHEDULED_ACTIONS,
                autoscaling.ScalingProcess.AZ_REBALANCE,
            ],
        ),
        max_instance_lifetime=Duration.days(30),  # everybody runs on a patched system within a month
    )
    user_data.add_commands(boot.script(_machine(stack, name, fleet, parts, group=group, lines=lines)))
    _scale(stack, name, fleet, group)
    return group


def _machine(
    stack: Stack, name: str, fleet: Fleet, parts: Parts, *, group: autoscaling.AutoScalingGroup, lines: logs.LogGroup
) -> boot.Machine:
    secret = parts.data.service_secrets.get(name)
    return boot.Machine(
        group=name,
        image=parts.storage.registry.repository_uri_for_tag(parts.image_tag),
        settings=settings(name, parts.place, fleet),
        workers=fleet.workers,
        region=stack.region,
        stack=stack.stack_name,
        resource=stack.get_logical_id(group.node.default_child),
        log_group=lines.log_group_name,
        secret=secret.secret_arn if secret else "",
        files=tuple(secret_files(name, replica=parts.place.replica).values()) if secret else (),
        redis_secret=parts.data.cache_password.secret_arn,
        redis_host=parts.data.cache.attr_primary_end_point_address,
    )


def _role(stack: Stack, name: str, parts: Parts, lines: logs.LogGroup) -> iam.Role:
    role = iam.Role(
        stack,
        f"{name.title()}Role",
        assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
        managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name("AmazonSSMManagedInstanceCore")],
    )
    parts.storage.registry.grant_pull(role)
    lines.grant_write(role)
    if name in parts.data.service_secrets:
        parts.data.service_secrets[name].grant_read(role)
        parts.data.cache_password.grant_read(role)
    if name == "user":
        # For the whole bucket: without it S3 says that a picture that is not there is forbidden (403), not that it is not (404).
        role.add_to_principal_policy(
            iam.PolicyStatement(actions=["s3:ListBucket"], resources=[parts.storage.images.bucket_arn])
        )
        for folder in ("uploads", "avatars"):
            role.add_to_principal_policy(
                iam.PolicyStatement(
                    actions=["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                    resources=[parts.storage.images.arn_for_objects(f"{folder}/*")],
                )
            )
    if name == "step":
        role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["cloudwatch:PutMetricData"],
                resources=["*"],  # knows no resources; the namespace narrows it
                conditions={"StringEquals": {"cloudwatch:namespace": "Firewalker"}},
            )
        )
    return role


def _scale(stack: Stack, name: str, fleet: Fleet, group: autoscaling.AutoScalingGroup) -> None:
    """Target tracking: on processor, and where streams are what fills a process, on those too; the larger answer wins."""
    group.scale_on_cpu_utilization(
        f"{name.title()}Cpu",
        target_utilization_percent=fleet.cpu_target,
        estimated_instance_warmup=Duration.minutes(3),
    )
    if fleet.streams_target is not None:
        streams = cloudwatch.Metric(
            namespace="Firewalker",
            metric_name="StreamsPerProcess",
            dimensions_map={"Stack": stack.stack_name, "Group": name},
            period=Duration.minutes(1),
            statistic="Average",
        )
        group.scale_to_track_metric(
            f"{name.title()}Streams",
            metric=streams,
            target_value=fleet.streams_target,
            estimated_instance_warmup=Duration.minutes(3),
        )
