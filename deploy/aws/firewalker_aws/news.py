"""The topic that tells operators what happens, and who may publish there: alarms, and the groups when an instance comes or goes."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns


def make_news(stack: Stack, key: kms.Key) -> sns.Topic:
    """Make it.

    A topic without a policy takes what its account's alarms and groups publish. Ours has one, for it refuses what comes in the
    clear; so they have to be in it. What they publish is encrypted with *key*: CloudWatch is let to it where the key is
    made, Auto Scaling by its role in this account, which there need not be before the first group.
    """
    news = sns.Topic(stack, "News", master_key=key, enforce_ssl=True)
    account = stack.account
    for sid, principal, condition in (
        ("Alarms", iam.ServicePrincipal("cloudwatch.amazonaws.com"), "aws:SourceAccount"),
        ("Account", iam.AnyPrincipal(), "aws:SourceOwner"),
    ):
        news.add_to_resource_policy(
            iam.PolicyStatement(
                sid=sid,
                principals=[principal],
                actions=["sns:Publish"],
                resources=[news.topic_arn],
                conditions={"StringEquals": {condition: account}},
            )
        )
    via = {"kms:CallerAccount": account, "kms:ViaService": f"sns.{stack.region}.amazonaws.com"}
    key.add_to_resource_policy(
        iam.PolicyStatement(
            sid="ForNews",
            principals=[iam.AnyPrincipal()],
            actions=["kms:Decrypt", "kms:GenerateDataKey*"],
            resources=["*"],  # in a key's policy: this key
            conditions={"StringEquals": via},
        )
    )
    return news
