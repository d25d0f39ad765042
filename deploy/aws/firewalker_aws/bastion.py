"""The way in for operators: one small machine, reached through Session Manager; by SSH only where a network is named for it.

Nothing is kept on it: a deployment that finds a newer image of the system puts another in its place.
"""

from __future__ import annotations

from typing import Any, cast

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from firewalker_aws.network import Network


def make_bastion(stack: Stack, network: Network, registry: ecr.Repository, ssh_key: str | None) -> ec2.BastionHostLinux:
    """Make it; it can run what is in *registry*. *ssh_key* is the name of a key pair of the account, for those who want SSH."""
    bastion = ec2.BastionHostLinux(
        stack,
        "Bastion",
        vpc=network.vpc,
        security_group=network.bastion,
        subnet_selection=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC),
        machine_image=ec2.MachineImage.latest_amazon_linux2023(cpu_type=ec2.AmazonLinuxCpuType.ARM_64),
        instance_type=ec2.InstanceType("t4g.small"),  # dnf is killed in the half gigabyte of a t4g.nano
        require_imdsv2=True,
        block_devices=[
            ec2.BlockDevice(device_name="/dev/xvda", volume=ec2.BlockDeviceVolume.ebs(8, encrypted=True)),
        ],
    )
    bastion.instance.user_data.add_commands("dnf install -y mariadb105 docker", "systemctl enable --now docker")
    registry.grant_pull(bastion.role)
    resource = cast("Any", bastion.instance.node.default_child)
    resource.monitoring = True
    if ssh_key is not None:
        resource.key_name = ssh_key
    return bastion
