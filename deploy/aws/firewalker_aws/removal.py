"""What stays when it leaves the stack, or the stack goes."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from firewalker_aws.plan import Sizes


def kept(sizes: Sizes) -> RemovalPolicy:
    """For what holds data. It outlives the stack, but no deployment that was to make it and failed: the next would meet it."""
    return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if sizes.protected else RemovalPolicy.DESTROY
