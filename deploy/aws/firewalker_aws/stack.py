"""The stack: what is made, in which order, and what is told at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from aws_cdk import CfnOutput, RemovalPolicy, Stack, Tags
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct
from firewalker_aws.alarms import make_alarms
from firewalker_aws.balancers import Ground, make_balancers
from firewalker_aws.bastion import make_bastion
from firewalker_aws.data import make_data
from firewalker_aws.findings import acknowledge
from firewalker_aws.fleets import Parts, make_fleets
from firewalker_aws.images import make_storage
from firewalker_aws.network import APP, PUBLIC, make_network
from firewalker_aws.news import make_news
from firewalker_aws.plan import Place, Sizes


@dataclass(frozen=True)
class Choices:
    """What an operator says besides the sizes."""

    certificate_arn: str
    """Of ACM, in the stack's region; covers the names of both public balancers."""
    image_tag: str
    """The version that runs."""
    web_url: str
    """Where links in mails and invitations lead to."""
    mail_from: str
    zones: tuple[str, str]
    ssh_from: str | None = None
    """Network from which SSH to the bastion is let in; Session Manager needs none."""
    ssh_key: str | None = None


class FirewalkerStack(Stack):
    """Everything of one environment."""

    def __init__(self, scope: Construct, name: str, sizes: Sizes, choices: Choices, **arguments: Any) -> None:
        super().__init__(scope, name, **arguments)
        key = kms.Key(
            self,
            "Key",
            description="Firewalker: data at rest",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        for service, why in (("cloudwatch", "alarms"), (f"logs.{self.region}", "log groups")):
            key.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=f"For{why.title().replace(' ', '')}",
                    principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
                    actions=["kms:Decrypt", "kms:Encrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
                    resources=["*"],  # in a key's policy: this key
                )
            )
        news = make_news(self, key)
        network = make_network(self, sizes, list(choices.zones), choices.ssh_from)
        data = make_data(self, sizes, network, key)
        storage = make_storage(self, sizes, key, choices.web_url)
        place = Place(
            region=self.region,
            public_networks=PUBLIC,
            inner_networks=APP,
            images_bucket=storage.images.bucket_name,
            images_url=f"https://{storage.cdn.distribution_domain_name}",
            web_url=choices.web_url,
            mail_from=choices.mail_from,
            replica=bool(data.replicas),
        )
        fleets = make_fleets(self, sizes, Parts(network, data, storage, key, news, place, choices.image_tag))
        balancers = make_balancers(Ground(self, sizes, network, storage, fleets), choices.certificate_arn)
        bastion = make_bastion(self, network, storage.registry, choices.ssh_key)
        make_alarms(self, sizes, topic=news, data=data, balancers=balancers, fleets=fleets)
        Tags.of(self).add("app", "firewalker")
        Tags.of(self).add("environment", sizes.name)
        acknowledge(self, sizes, storage.images)
        for output, value in {
            "RestAddress": balancers.rest.load_balancer_dns_name,
            "GrpcAddress": balancers.grpc.load_balancer_dns_name,
            "PicturesAddress": storage.cdn.distribution_domain_name,
            "DatabaseHost": data.database.db_instance_endpoint_address,
            "DatabaseSecretArn": cast("secretsmanager.ISecret", data.database.secret).secret_arn,
            **{
                f"DatabaseReplica{number}Host": replica.db_instance_endpoint_address
                for number, replica in enumerate(data.replicas, 1)
            },
            "CacheHost": data.cache.attr_primary_end_point_address,
            "RegistryUri": storage.registry.repository_uri,
            "BastionId": bastion.instance_id,
            "NewsTopic": news.topic_arn,
            **{f"{name.title()}Group": group.auto_scaling_group_name for name, group in fleets.items()},
            **{f"{service.title()}SecretArn": secret.secret_arn for service, secret in data.service_secrets.items()},
        }.items():
            CfnOutput(self, output, value=value)
