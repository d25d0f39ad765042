"""The templates of both environments, made once; and the larger one deployed into moto."""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from app import EXAMPLE_CERTIFICATE, make_app
from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from moto import mock_aws

REGION = "ap-northeast-2"
STACK = "Firewalker-prod"


@dataclass(frozen=True)
class Synthesised:
    """The template of one environment, and where it is."""

    path: Path
    template: dict[str, Any]

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Properties of the resources of *kind*, by logical id."""
        resources = self.template["Resources"].items()
        return {name: each["Properties"] for name, each in resources if each["Type"] == f"AWS::{kind}"}

    def one(self, kind: str) -> dict[str, Any]:
        """The properties of the only resource of *kind*."""
        (found,) = self.of_type(kind).values()
        return found


def synthesise(environment: str, folder: Path) -> Synthesised:
    """The template of *environment*; fails with cdk-nag's findings if there are any that nobody gave a reason for."""
    app, stack = make_app(str(folder), environment)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True))
    app.synth()
    path = folder / f"{stack.stack_name}.template.json"
    return Synthesised(path, json.loads(path.read_text()))


@pytest.fixture(scope="session")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    return synthesise("prod", tmp_path_factory.mktemp("prod"))


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    return synthesise("dev", tmp_path_factory.mktemp("dev"))


@pytest.fixture(scope="session")
def deployed(prod: Synthesised) -> Iterator[dict[str, str]]:
    """The stack's outputs, while everything in it exists in moto."""
    from aws_tests import moto_models  # noqa: F401, PLC0415 - before a stack is made

    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        body = json.dumps(adapted(prod.template)).replace(EXAMPLE_CERTIFICATE, _certificate())
        bucket = boto3.client("s3")
        bucket.create_bucket(Bucket="templates", CreateBucketConfiguration={"LocationConstraint": REGION})
        bucket.put_object(Bucket="templates", Key="t.json", Body=body)
        client = boto3.client("cloudformation")
        client.create_stack(
            StackName=STACK,
            TemplateURL=f"https://templates.s3.{REGION}.amazonaws.com/t.json",
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        stack = client.describe_stacks(StackName=STACK)["Stacks"][0]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        yield {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def adapted(template: dict[str, Any]) -> dict[str, Any]:
    """The template without what moto stumbles over; each is a gap of moto's, not a fault of the template."""
    changed = copy.deepcopy(template)
    for resource in changed["Resources"].values():
        if resource["Type"] == "AWS::KMS::Key":  # KeyError 'TagKey'
            resource["Properties"].pop("Tags", None)
    return changed


def _certificate() -> str:
    """A certificate in ACM, as the operator would have one: moto refuses listeners with one that is not there."""

    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "api.firewalker.example")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return str(
        boto3.client("acm").import_certificate(
            Certificate=certificate.public_bytes(serialization.Encoding.PEM),
            PrivateKey=key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )["CertificateArn"]
    )
