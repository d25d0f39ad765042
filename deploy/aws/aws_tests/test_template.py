"""What the templates say: rules that AWS's API does not show, or that hold in both environments."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from app import make_app
from aws_tests.conftest import REGION, Synthesised
from firewalker_aws.network import APP, PUBLIC

ACCEPTED = ("W3010", "W3045")
"""Zones are named so that synthesis needs no account; CloudFront writes its logs with an ACL, and CDK sets the bucket's."""

USER_DATA_LIMIT = 16_384


@pytest.fixture(params=["dev", "prod"])
def each(request: pytest.FixtureRequest) -> Synthesised:
    made: Synthesised = request.getfixturevalue(request.param)
    return made


def test_cloudformation_finds_nothing_to_complain_of(each: Synthesised) -> None:
    command = [
        str(Path(sys.executable).parent / "cfn-lint"),
        "-t",
        str(each.path),
        "-r",
        REGION,
        "--non-zero-exit-code",
        "warning",
    ]
    command += ["-i", *ACCEPTED]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_only_balancers_are_open_to_everybody(each: Synthesised) -> None:
    rules = [
        rule for group in each.of_type("EC2::SecurityGroup").values() for rule in group.get("SecurityGroupIngress", [])
    ]
    rules += each.of_type("EC2::SecurityGroupIngress").values()
    everybody = sorted(rule["FromPort"] for rule in rules if rule.get("CidrIp") == "0.0.0.0/0")
    assert everybody == [80, 443, 50051, 50052, 50053]
    assert not [rule for rule in rules if rule["FromPort"] == 22]


def test_subnets_are_where_processes_are_told_they_are(each: Synthesised) -> None:
    found: dict[str, list[str]] = {}
    for subnet in each.of_type("EC2::Subnet").values():
        tags = {tag["Key"]: tag["Value"] for tag in subnet["Tags"]}
        found.setdefault(tags["aws-cdk:subnet-name"], []).append(subnet["CidrBlock"])
    assert (tuple(found["public"]), tuple(found["app"])) == (PUBLIC, APP)


def test_the_public_balancer_ends_tls_for_http2_and_tells_whose_connection_it_is(each: Synthesised) -> None:
    listeners = [one for one in each.of_type("ElasticLoadBalancingV2::Listener").values() if one["Protocol"] == "TLS"]
    assert [one["AlpnPolicy"] for one in listeners] == [["HTTP2Only"]] * 3
    targets = each.of_type("ElasticLoadBalancingV2::TargetGroup")
    behind = {action["TargetGroupArn"]["Ref"] for one in listeners for action in one["DefaultActions"]}
    for name, target in targets.items():
        attributes = {pair["Key"]: pair["Value"] for pair in target["TargetGroupAttributes"]}
        if target["Protocol"] == "TCP":
            assert attributes["proxy_protocol_v2.enabled"] == str(name in behind).lower()
            assert attributes["preserve_client_ip.enabled"] == "false"


def test_http_is_redirected_and_unknown_paths_end_at_the_balancer(each: Synthesised) -> None:
    listeners = each.of_type("ElasticLoadBalancingV2::Listener").values()
    (http,) = [one for one in listeners if one["Protocol"] == "HTTP"]
    (https,) = [one for one in listeners if one["Protocol"] == "HTTPS"]
    assert http["DefaultActions"][0]["RedirectConfig"]["Protocol"] == "HTTPS"
    assert https["DefaultActions"][0]["FixedResponseConfig"]["StatusCode"] == "404"


def test_redis_evicts_nothing_and_lets_nobody_in_without_password(each: Synthesised) -> None:
    assert each.one("ElastiCache::ParameterGroup")["Properties"] == {"maxmemory-policy": "noeviction"}
    cache = each.one("ElastiCache::ReplicationGroup")
    assert cache["CacheParameterGroupName"] == {"Ref": next(iter(each.of_type("ElastiCache::ParameterGroup")))}
    assert "resolve:secretsmanager" in json.dumps(cache["AuthToken"])


def test_every_node_of_redis_is_watched_by_the_name_that_its_metrics_have(each: Synthesised) -> None:
    ((name, cache),) = each.of_type("ElastiCache::ReplicationGroup").items()
    alarms = [one for one in each.of_type("CloudWatch::Alarm").values() if one["Namespace"] == "AWS/ElastiCache"]
    watched: dict[str, list[str]] = {}
    for alarm in alarms:
        (dimension,) = alarm["Dimensions"]
        assert dimension["Name"] == "CacheClusterId"
        group, node = dimension["Value"]["Fn::Join"][1]
        assert group == {"Ref": name}
        watched.setdefault(node, []).append(alarm["MetricName"])
    assert list(watched) == [f"-{number:03d}" for number in range(1, 2 + int(cache["ReplicasPerNodeGroup"]))]
    expected = ["DatabaseMemoryUsagePercentage", "EngineCPUUtilization", "Evictions"]
    assert all(sorted(metrics) == expected for metrics in watched.values())


def test_mysql_takes_no_connection_in_the_clear_and_loses_no_commit(each: Synthesised) -> None:
    parameters = each.one("RDS::DBParameterGroup")["Parameters"]
    assert parameters["require_secure_transport"] == "1"
    assert (parameters["innodb_flush_log_at_trx_commit"], parameters["sync_binlog"]) == ("1", "1")


def test_primary_and_replica_number_what_is_committed(each: Synthesised) -> None:
    ((group, values),) = each.of_type("RDS::DBParameterGroup").items()
    assert (values["Parameters"]["gtid-mode"], values["Parameters"]["enforce_gtid_consistency"]) == ("ON", "ON")
    for database in each.of_type("RDS::DBInstance").values():
        assert database["DBParameterGroupName"] == {"Ref": group}
        # The source keeps the binary log that numbers come from; RDS keeps one where there are backups.
        assert database.get("BackupRetentionPeriod", 0) > 0 or "SourceDBInstanceIdentifier" in database


def test_a_replica_is_as_fast_as_what_it_follows(prod: Synthesised) -> None:
    replica, primary = sorted(prod.of_type("RDS::DBInstance").values(), key=lambda one: "Engine" in one)
    for name in ("DBInstanceClass", "StorageType", "MaxAllocatedStorage", "EnableCloudwatchLogsExports"):
        assert replica[name] == primary[name], name


def test_every_database_is_watched_and_a_replica_for_being_late_or_still(each: Synthesised) -> None:
    alarms = [one for one in each.of_type("CloudWatch::Alarm").values() if one["Namespace"] == "AWS/RDS"]
    watched: dict[str, list[tuple[str, str, int]]] = {}
    for alarm in alarms:
        (dimension,) = alarm["Dimensions"]
        if alarm["MetricName"] == "ReplicaLag":
            bound = (alarm["ComparisonOperator"], alarm["TreatMissingData"], alarm["Threshold"])
            watched.setdefault(dimension["Value"]["Ref"], []).append(bound)
        else:
            watched.setdefault(dimension["Value"]["Ref"], [])
    late, still = ("GreaterThanThreshold", "notBreaching", 10), ("LessThanThreshold", "breaching", 0)
    assert watched == {
        name: [late, still] if "SourceDBInstanceIdentifier" in one else []
        for name, one in each.of_type("RDS::DBInstance").items()
    }
    metrics = [alarm["MetricName"] for alarm in alarms if alarm["MetricName"] != "ReplicaLag"]
    assert sorted(metrics) == sorted(["CPUUtilization", "FreeStorageSpace", "FreeableMemory"] * len(watched))


def test_services_are_told_of_a_replica_where_there_is_one(each: Synthesised, prod: Synthesised) -> None:
    for name, script in scripts(each).items():
        told = "_MYSQL_REPLICA_URL_FILE=/run/secrets/mysql_replica.url" in script
        # And the instance does not start without the file.
        assert told == ('"mysql_replica.url"' in script) == (each is prod and not name.startswith("Transcoder")), name


def statements(each: Synthesised, role: str) -> list[dict[str, Any]]:
    policies = each.of_type("IAM::Policy").values()
    return [
        statement
        for policy in policies
        if any(one["Ref"].startswith(role) for one in policy["Roles"])
        for statement in policy["PolicyDocument"]["Statement"]
    ]


@pytest.mark.parametrize("service", ["User", "Step", "Notification", "Transcoder"])
def test_a_role_reads_its_own_secrets_and_no_others(prod: Synthesised, service: str) -> None:
    readable = {
        re.sub(r"[0-9A-F]{8}$", "", one["Resource"]["Ref"])
        for one in statements(prod, f"{service}Role")
        if "secretsmanager:GetSecretValue" in one["Action"]
    }
    assert readable == (set() if service == "Transcoder" else {f"{service}Secret", "CachePassword"})


def test_the_bastion_can_run_the_image_and_reads_no_secret(each: Synthesised) -> None:
    actions = [one["Action"] for one in statements(each, "Bastion")]
    allowed = {name for action in actions for name in ([action] if isinstance(action, str) else action)}
    assert {"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:GetAuthorizationToken"} <= allowed
    assert not {name for name in allowed if name.startswith(("secretsmanager:", "s3:"))}


def test_pictures_are_written_by_the_user_service_alone(prod: Synthesised) -> None:
    for role in ("UserRole", "StepRole", "NotificationRole", "TranscoderRole"):
        writes = [one for one in statements(prod, role) if "s3:PutObject" in one["Action"]]
        assert bool(writes) == (role == "UserRole")


def test_what_is_uploaded_and_not_looked_at_is_out_of_the_cdns_reach(each: Synthesised) -> None:
    (origin,) = each.one("CloudFront::Distribution")["DistributionConfig"]["Origins"]
    assert origin["OriginPath"] == "/avatars"
    assert origin["OriginAccessControlId"]


def test_instances_ask_for_session_tokens_and_encrypt_their_disks(each: Synthesised) -> None:
    for template in each.of_type("EC2::LaunchTemplate").values():
        data = template["LaunchTemplateData"]
        if "BlockDeviceMappings" in data:
            assert data["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True
        assert data["MetadataOptions"]["HttpTokens"] == "required"


def scripts(each: Synthesised) -> dict[str, str]:
    """What instances run at their start, with references as ``X``."""
    found = {}
    for name, template in each.of_type("EC2::LaunchTemplate").items():
        join = template["LaunchTemplateData"].get("UserData", {}).get("Fn::Base64")
        if join is not None and name.startswith(("User", "Step", "Notification", "Transcoder")):
            found[name] = "".join(part if isinstance(part, str) else "X" * 60 for part in join["Fn::Join"][1])
    assert len(found) == 4
    return found


def test_what_instances_run_is_a_script_and_short_enough(each: Synthesised) -> None:
    for name, script in scripts(each).items():
        assert script.startswith("#!/bin/bash"), name
        assert len(script.encode()) * 4 / 3 < USER_DATA_LIMIT, name
        done = subprocess.run(["/bin/bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert not done.stderr, name


def test_no_secret_is_in_what_instances_run(each: Synthesised) -> None:
    for script in scripts(each).values():
        assert "resolve:secretsmanager" not in script


def test_a_new_version_replaces_instances_one_by_one_once_it_says_that_it_runs(each: Synthesised) -> None:
    groups = [one for one in each.template["Resources"].values() if one["Type"] == "AWS::AutoScaling::AutoScalingGroup"]
    for group in groups:
        rolling = group["UpdatePolicy"]["AutoScalingRollingUpdate"]
        assert (rolling["WaitOnResourceSignals"], rolling["MaxBatchSize"]) == (True, 1)
        assert group["CreationPolicy"]["ResourceSignal"]


def test_what_holds_data_survives_the_stack_where_it_matters(prod: Synthesised) -> None:
    kept = {
        "AWS::RDS::DBInstance": ("Snapshot", "Delete"),
        "AWS::S3::Bucket": ("Retain", "RetainExceptOnCreate"),
        "AWS::KMS::Key": ("RetainExceptOnCreate",),
    }
    for resource in prod.template["Resources"].values():
        if resource["Type"] in kept:
            assert resource["DeletionPolicy"] in kept[resource["Type"]]


def test_the_first_deployment_starts_nothing_that_waits_for_an_image(tmp_path: Path) -> None:
    app, stack = make_app(str(tmp_path), "prod", {"empty": "true"})
    app.synth()
    template = json.loads((tmp_path / f"{stack.stack_name}.template.json").read_text())
    groups = [one for one in template["Resources"].values() if one["Type"] == "AWS::AutoScaling::AutoScalingGroup"]
    assert [one["Properties"]["MinSize"] for one in groups] == ["0"] * 4
    assert not any("DesiredCapacity" in one["Properties"] for one in groups)
    assert not any(one.get("CreationPolicy", {}).get("ResourceSignal", {}).get("Count", 0) for one in groups)


def test_ssh_is_there_for_who_asks_for_it(tmp_path: Path) -> None:
    app, stack = make_app(str(tmp_path), "dev", {"ssh_from": "203.0.113.0/24", "ssh_key": "mine"})
    app.synth()
    template = json.loads((tmp_path / f"{stack.stack_name}.template.json").read_text())
    resources = [one["Properties"] for one in template["Resources"].values()]
    rules = [rule for one in resources for rule in one.get("SecurityGroupIngress", []) if rule.get("FromPort") == 22]
    assert [rule["CidrIp"] for rule in rules] == ["203.0.113.0/24"]
    assert [one["KeyName"] for one in resources if "KeyName" in one] == ["mine"]
