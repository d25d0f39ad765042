"""What cdk-nag finds and we leave as it is, each with the reason. Whatever is not here is mended."""

from __future__ import annotations

from typing import Any, cast

from aws_cdk import Acknowledgment, Stack, Validations
from aws_cdk import aws_s3 as s3
from firewalker_aws.plan import Sizes

REASONS = {
    "EC29": "a newer image of the system replaces the bastion, and a protected one could not be removed; nothing is kept on it",
    "EC23": "the public balancers are for everybody",
    "RDS11": "3306 is open to the services and the bastion alone; another number hides nothing",
    "AEC5": "6379 is open to the services and the bastion alone; another number hides nothing",
    "SMG4": "rotated by the operator, in an order that lets old and new both work (deploy/README.md)",
    "RDS3": "a read replica stands in one zone; what must not be lost is in the primary, which stands in two",
    "CFR1": "people walk in every country",
    "CFR2": "pictures are static files of 512 pixels; nothing behind the CDN can be attacked with a request",
    "CFR4": "CloudFront's own name comes with its own certificate; a domain of yours with TLS 1.2 at least",
    "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/AmazonSSMManagedInstanceCore]": "Session Manager, as AWS keeps it",
    "IAM5[Resource::*]": "ecr:GetAuthorizationToken and cloudwatch:PutMetricData know no resources, the latter is held to one "
    "namespace; Session Manager's channels on the bastion",
    "IAM5[Action::ssmmessages:*]": "Session Manager on the bastion, as CDK's construct has it",
    "IAM5[Action::ec2messages:*]": "Session Manager on the bastion, as CDK's construct has it",
}
ONE_OF_EVERYTHING = "this environment is for trying things out: one of everything, nothing that must be kept"
SMALL = {"RDS3": ONE_OF_EVERYTHING, "RDS10": ONE_OF_EVERYTHING, "AEC4": ONE_OF_EVERYTHING}


def acknowledge(stack: Stack, sizes: Sizes, images: s3.Bucket) -> None:
    """Give the reasons to cdk-nag."""
    bucket = stack.get_logical_id(cast("Any", images.node.default_child))
    pictures = {
        f"IAM5[Resource::<{bucket}.Arn>/{folder}/*]": "the objects of one folder" for folder in ("uploads", "avatars")
    }
    for rule, reason in {**REASONS, **pictures, **({} if sizes.protected else SMALL)}.items():
        Validations.of(stack).acknowledge(Acknowledgment(id=f"AwsSolutions::AwsSolutions-{rule}", reason=reason))
