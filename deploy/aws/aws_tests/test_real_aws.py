"""What AWS itself refuses, or takes and does not do, and neither moto nor cfn-lint notices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from app import make_app
from aws_tests.conftest import REGION, Synthesised

ACCOUNT = "123456789012"

TAKEN = {
    "require_secure_transport": {"0", "1"},  # ON and OFF are Aurora's
    "slow_query_log": {"0", "1"},
    "innodb_flush_log_at_trx_commit": {"0", "1", "2"},
    "gtid-mode": {"OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"},
    "enforce_gtid_consistency": {"OFF", "ON", "WARN"},
    "binlog_format": {"MIXED", "ROW", "STATEMENT"},
    "log_output": {"TABLE", "FILE", "NONE"},
}
"""What a parameter group of an RDS instance with MySQL takes, as RDS spells it."""


@pytest.fixture(params=["dev", "prod"])
def each(request: pytest.FixtureRequest) -> Synthesised:
    made: Synthesised = request.getfixturevalue(request.param)
    return made


def test_parameters_have_values_that_rds_takes(each: Synthesised) -> None:
    parameters = each.one("RDS::DBParameterGroup")["Parameters"]
    assert TAKEN.keys() <= parameters.keys()
    assert {name: parameters[name] for name in TAKEN if parameters[name] not in TAKEN[name]} == {}


def test_slow_statements_get_to_cloudwatch(each: Synthesised) -> None:
    assert each.one("RDS::DBParameterGroup")["Parameters"]["log_output"] == "FILE"
    for database in each.of_type("RDS::DBInstance").values():
        assert "slowquery" in database["EnableCloudwatchLogsExports"]


def test_a_replica_says_nothing_that_it_has_from_its_source(prod: Synthesised) -> None:
    replicas = [one for one in prod.of_type("RDS::DBInstance").values() if "SourceDBInstanceIdentifier" in one]
    assert replicas
    inherited = ("KmsKeyId", "StorageEncrypted", "Engine", "DBName", "MasterUsername", "MasterUserPassword")
    own_backups = ("BackupRetentionPeriod", "PreferredBackupWindow", "DBSnapshotIdentifier")
    for replica in replicas:
        assert [name for name in (*inherited, *own_backups) if name in replica] == []
        # In its source's region RDS takes a subnet group only where the source is named by its ARN.
        assert "DBSubnetGroupName" in replica
        assert ":rds:" in json.dumps(replica["SourceDBInstanceIdentifier"])


def _allowed(statements: list[dict[str, Any]], principal: dict[str, str]) -> list[tuple[Any, Any]]:
    return [
        (one["Action"], one.get("Condition", {}).get("StringEquals"))
        for one in statements
        if one["Effect"] == "Allow" and one["Principal"] == principal
    ]


def test_alarms_and_groups_may_publish_to_the_topic_and_use_its_key(each: Synthesised) -> None:
    cloudwatch, anybody = {"Service": "cloudwatch.amazonaws.com"}, {"AWS": "*"}
    (topic,) = each.of_type("SNS::Topic")
    policy = each.one("SNS::TopicPolicy")
    assert policy["Topics"] == [{"Ref": topic}]
    published = policy["PolicyDocument"]["Statement"]
    assert _allowed(published, cloudwatch) == [("sns:Publish", {"aws:SourceAccount": ACCOUNT})]
    assert _allowed(published, anybody) == [("sns:Publish", {"aws:SourceOwner": ACCOUNT})]
    ((key, made),) = each.of_type("KMS::Key").items()
    assert each.one("SNS::Topic")["KmsMasterKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
    needed = {"kms:Decrypt", "kms:GenerateDataKey*"}
    used = made["KeyPolicy"]["Statement"]
    ((actions, condition),) = _allowed(used, cloudwatch)
    assert needed <= set(actions)
    assert condition is None
    ((actions, condition),) = _allowed(used, anybody)
    assert set(actions) == needed
    assert condition == {"kms:CallerAccount": ACCOUNT, "kms:ViaService": f"sns.{REGION}.amazonaws.com"}


def test_a_process_is_told_to_stop_while_its_connections_live(each: Synthesised) -> None:
    for target in each.of_type("ElasticLoadBalancingV2::TargetGroup").values():
        attributes = {pair["Key"]: pair["Value"] for pair in target["TargetGroupAttributes"]}
        if target["Protocol"] == "TCP":
            assert attributes["deregistration_delay.connection_termination.enabled"] == "false"
            # NLB may go on for two minutes to send new connections.
            assert int(attributes["deregistration_delay.timeout_seconds"]) >= 120


def test_the_internal_name_is_one_that_a_network_balancer_has(each: Synthesised) -> None:
    alias = each.one("Route53::RecordSet")["AliasTarget"]
    (inner,) = [
        name
        for name, one in each.of_type("ElasticLoadBalancingV2::LoadBalancer").items()
        if one["Scheme"] == "internal"
    ]
    assert alias["DNSName"] == {"Fn::GetAtt": [inner, "DNSName"]}  # with "dualstack." before it there is none


def test_a_newer_image_can_take_the_bastions_place(each: Synthesised) -> None:
    bastion = each.one("EC2::Instance")
    assert "DisableApiTermination" not in bastion
    assert not bastion["InstanceType"].endswith((".nano", ".micro")), "dnf needs more memory"


def test_environments_of_one_account_share_no_name(dev: Synthesised, prod: Synthesised) -> None:
    def names(each: Synthesised) -> set[str]:
        resources = each.template["Resources"].values()
        given = ("LaunchTemplateName", "RepositoryName", "RoleName", "BucketName", "TopicName", "LogGroupName")
        return {
            one["Properties"][name]
            for one in resources
            for name in given
            if isinstance(one.get("Properties", {}).get(name), str)
        }

    assert names(dev) & names(prod) == set()
    assert {"firewalker-prod"} <= names(prod)


def test_the_user_service_may_know_that_a_picture_is_not_there(each: Synthesised) -> None:
    (bucket,) = [name for name in each.of_type("S3::Bucket") if name.startswith("Images")]
    allowed = [
        statement
        for policy in each.of_type("IAM::Policy").values()
        if policy["Roles"][0]["Ref"].startswith("UserRole")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "s3:ListBucket"
    ]
    assert allowed == [
        {"Action": "s3:ListBucket", "Effect": "Allow", "Resource": {"Fn::GetAtt": [bucket, "Arn"]}}
    ]  # a condition on a prefix would leave GET without it


def _guarded(template: dict[str, Any]) -> list[str]:
    """What refuses to be deleted."""
    pair = {"Key": "deletion_protection.enabled", "Value": "true"}
    return [
        name
        for name, one in template["Resources"].items()
        if one["Properties"].get("DeletionProtection") or pair in one["Properties"].get("LoadBalancerAttributes", [])
    ]


def test_a_first_deployment_that_fails_leaves_nothing_in_the_way(prod: Synthesised, tmp_path: Path) -> None:
    app, stack = make_app(str(tmp_path), "prod", {"empty": "true"})
    app.synth()
    template = json.loads((tmp_path / f"{stack.stack_name}.template.json").read_text())
    assert not stack.termination_protection
    assert _guarded(template) == []
    named = [one for one in template["Resources"].values() if "RepositoryName" in one["Properties"]]
    assert [one["DeletionPolicy"] for one in named] == ["RetainExceptOnCreate"]
    # Balancers write into the bucket of their logs at once, and what is not empty cannot be deleted; its name is nobody's.
    logs = [one for name, one in template["Resources"].items() if name.startswith("Logs")]
    assert [one["DeletionPolicy"] for one in logs if one["Type"] == "AWS::S3::Bucket"] == ["Retain"]
    # From the second on everything is guarded.
    assert len(_guarded(prod.template)) == 5
    assert make_app(str(tmp_path), "prod")[1].termination_protection


def test_migrations_may_take_nearly_as_long_as_cloudformation_waits(each: Synthesised) -> None:
    for name, one in each.template["Resources"].items():
        if one["Type"] == "AWS::AutoScaling::AutoScalingGroup":
            assert one["CreationPolicy"]["ResourceSignal"]["Timeout"] == "PT10M", name
            assert one["UpdatePolicy"]["AutoScalingRollingUpdate"]["PauseTime"] == "PT10M", name
    scripts = [
        json.dumps(one["LaunchTemplateData"]["UserData"])
        for one in each.of_type("EC2::LaunchTemplate").values()
        if "UserData" in one["LaunchTemplateData"]
    ]
    assert len(scripts) == 4
    assert all("\\nTimeoutStartSec=540\\n" in script for script in scripts)
