"""Synthesises the stack of one environment: ``cdk synth -c environment=prod -c image_tag=…``; needs no account.

Choices come from the context (``-c name=value`` or cdk.json); see README.md for each.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from aws_cdk import App, DefaultStackSynthesizer, Environment
from firewalker_aws.plan import SIZES, without_instances
from firewalker_aws.stack import Choices, FirewalkerStack

EXAMPLE_ACCOUNT = "123456789012"
EXAMPLE_CERTIFICATE = f"arn:aws:acm:ap-northeast-2:{EXAMPLE_ACCOUNT}:certificate/00000000-0000-0000-0000-000000000000"

FLAGS = {"@aws-cdk/aws-ec2:uniqueImdsv2TemplateName": True}
"""Without it the bastion's launch template has the same name in every environment, and an account takes a name once."""


def make_app(
    outdir: str | None = None, environment: str | None = None, context: Mapping[str, str] | None = None
) -> tuple[App, FirewalkerStack]:
    """The app with its one stack, as the context says; *environment* wins over it, *context* is added to it."""
    app = App(outdir=outdir, analytics_reporting=False, context={**FLAGS, **(context or {})})

    def chosen(name: str, otherwise: str) -> str:
        return str(app.node.try_get_context(name) or otherwise)

    sizes = SIZES[environment or chosen("environment", "dev")]
    if chosen("empty", "") == "true":
        sizes = without_instances(sizes)
    region = chosen("region", "ap-northeast-2")
    choices = Choices(
        certificate_arn=chosen("certificate_arn", EXAMPLE_CERTIFICATE),
        image_tag=chosen("image_tag", "none"),
        web_url=chosen("web_url", "https://firewalker.example"),
        mail_from=chosen("mail_from", "Firewalker <no-reply@firewalker.example>"),
        zones=(chosen("zone_a", f"{region}a"), chosen("zone_b", f"{region}c")),
        ssh_from=chosen("ssh_from", "") or None,
        ssh_key=chosen("ssh_key", "") or None,
    )
    account = os.environ.get("CDK_DEFAULT_ACCOUNT") or EXAMPLE_ACCOUNT
    stack = FirewalkerStack(
        app,
        f"Firewalker-{sizes.name}",
        sizes,
        choices,
        env=Environment(account=account, region=region),
        termination_protection=sizes.guarded,
        synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
    )
    return app, stack


if __name__ == "__main__":
    make_app()[0].synth()
