"""The larger environment deployed into moto, and looked at as an operator would: through AWS's API."""

from __future__ import annotations

import base64
import re
from collections import Counter
from typing import Any

import boto3
import pytest
from aws_tests.conftest import STACK, Synthesised

pytestmark = pytest.mark.usefixtures("deployed")


def test_every_resource_of_the_template_is_made(prod: Synthesised) -> None:
    pages = boto3.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK)
    made = {
        each["LogicalResourceId"]
        for page in pages
        for each in page["StackResourceSummaries"]
        if each["PhysicalResourceId"]
    }
    # Moto gives rules of security groups no id of their own; the tests below look at what they let through.
    rules = set(prod.of_type("EC2::SecurityGroupIngress"))
    assert made | rules == set(prod.template["Resources"])


def test_each_zone_has_its_own_way_out_and_data_has_none() -> None:
    ec2 = boto3.client("ec2")
    ways: Counter[str] = Counter()
    for table in ec2.describe_route_tables()["RouteTables"]:
        out = [route for route in table["Routes"] if route.get("DestinationCidrBlock") == "0.0.0.0/0"]
        ours = table["Routes"][0].get("DestinationCidrBlock") == "10.20.0.0/16"
        if ours and not table["Associations"]:  # that is the main one, which no subnet uses
            ways["nat" if out and "NatGatewayId" in out[0] else "internet" if out else "none"] += 1
    assert ways == {"internet": 2, "nat": 2, "none": 2}
    gateways = ec2.describe_nat_gateways()["NatGateways"]
    assert len({gateway["SubnetId"] for gateway in gateways}) == 2


def group(name: str) -> dict[str, Any]:
    groups = boto3.client("ec2").describe_security_groups()["SecurityGroups"]
    (found,) = [each for each in groups if each["Description"] == name]
    return found


def sources(name: str) -> set[tuple[int, str]]:
    """Port and description of who may come in; networks by themselves."""
    by_id = {
        each["GroupId"]: each["Description"]
        for each in boto3.client("ec2").describe_security_groups()["SecurityGroups"]
    }
    return {
        (rule["FromPort"], source)
        for rule in group(name)["IpPermissions"]
        for source in [
            *(by_id[pair["GroupId"]] for pair in rule["UserIdGroupPairs"]),
            *(network["CidrIp"] for network in rule["IpRanges"]),
        ]
    }


def test_mysql_and_redis_hear_services_and_the_bastion_alone() -> None:
    who = {"user, step and notification", "the way in for operators"}
    assert sources("MySQL") == {(3306, name) for name in who}
    assert sources("Redis") == {(6379, name) for name in who}


def test_services_hear_balancers_and_nobody_else_but_for_metrics() -> None:
    allowed = sources("user, step and notification")
    assert {source for port, source in allowed if port < 9000} == set()
    assert {port for port, source in allowed if source == "gRPC from the internet"} == {50051, 50052, 50053}
    inner = {50051, 50052, 50053, 50061, 50062, 50063}
    assert {port for port, source in allowed if source == "gRPC between processes"} == inner
    assert {source for port, source in allowed if port not in inner} == {"the way in for operators"}


def test_the_bastion_reaches_the_metrics_of_every_worker() -> None:
    seen = {port for port, who in sources("user, step and notification") if who == "the way in for operators"}
    assert seen == {9464, 9474, 9465, 9475, 9485, 9495, 9466, 9476}
    assert (9467, "the way in for operators") in sources("the transcoder")


def test_internal_ports_are_behind_the_internal_balancer_alone() -> None:
    elbv2 = boto3.client("elbv2")
    seen = {}
    for balancer in elbv2.describe_load_balancers()["LoadBalancers"]:
        listeners = elbv2.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        key = (balancer["Type"], balancer["Scheme"])
        seen[key] = {(each["Protocol"], each["Port"]) for each in listeners}
    assert seen[("application", "internet-facing")] == {("HTTP", 80), ("HTTPS", 443)}
    assert seen[("network", "internet-facing")] == {("TLS", port) for port in (50051, 50052, 50053)}
    assert seen[("network", "internal")] == {("TCP", port) for port in (50051, 50052, 50053, 50061, 50062, 50063)}


def test_every_target_group_is_fed_by_the_group_of_its_service() -> None:
    elbv2, autoscaling = boto3.client("elbv2"), boto3.client("autoscaling")
    fed = {
        arn: each["AutoScalingGroupName"]
        for each in autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        for arn in each["TargetGroupARNs"]
    }
    for target in elbv2.describe_target_groups()["TargetGroups"]:
        service = {50051: "User", 50052: "Step", 50053: "Notification", 50061: "User", 50062: "Step"}
        expected = "Transcoder" if target["Port"] == 8080 else service.get(target["Port"], "Notification")
        assert f"{expected}Fleet" in fed[target["TargetGroupArn"]]
        healths = elbv2.describe_target_health(TargetGroupArn=target["TargetGroupArn"])
        assert len(healths["TargetHealthDescriptions"]) == 2


def test_the_database_stands_in_two_zones_and_its_replica_follows_it() -> None:
    databases = boto3.client("rds").describe_db_instances()["DBInstances"]
    (replica,) = [each for each in databases if each.get("ReadReplicaSourceDBInstanceIdentifier")]
    (primary,) = [each for each in databases if each is not replica]
    assert replica["ReadReplicaSourceDBInstanceIdentifier"] == primary["DBInstanceArn"]
    assert primary["MultiAZ"]
    assert primary["StorageEncrypted"]
    assert primary["DeletionProtection"]
    assert not primary["PubliclyAccessible"]
    assert (primary["Engine"], primary["EngineVersion"][:3], primary["BackupRetentionPeriod"]) == ("mysql", "8.4", 35)


def test_services_reach_the_replica_and_operators_are_told_where_it_is(deployed: dict[str, str]) -> None:
    rds = boto3.client("rds")
    databases = rds.describe_db_instances()["DBInstances"]
    (replica,) = [each for each in databases if each.get("ReadReplicaSourceDBInstanceIdentifier")]
    assert deployed["DatabaseReplica1Host"] == replica["Endpoint"]["Address"] != deployed["DatabaseHost"]
    assert replica["Endpoint"]["Port"] == 3306
    assert [each["VpcSecurityGroupId"] for each in replica["VpcSecurityGroups"]] == [group("MySQL")["GroupId"]]
    assert not replica["PubliclyAccessible"]
    groups = {each["DBParameterGroups"][0]["DBParameterGroupName"] for each in databases}
    (shared,) = groups
    found = rds.describe_db_parameters(DBParameterGroupName=shared)["Parameters"]
    parameters = {each["ParameterName"]: each["ParameterValue"] for each in found}
    assert (parameters["gtid-mode"], parameters["enforce_gtid_consistency"]) == ("ON", "ON")


def test_what_instances_run_tells_services_of_the_replica() -> None:
    ec2 = boto3.client("ec2")
    told = {}
    for template in ec2.describe_launch_templates()["LaunchTemplates"]:
        (version,) = ec2.describe_launch_template_versions(LaunchTemplateId=template["LaunchTemplateId"])[
            "LaunchTemplateVersions"
        ]
        script = base64.b64decode(version["LaunchTemplateData"].get("UserData", "")).decode()
        for name in re.findall(r"^FIREWALKER_(\w+)_MYSQL_REPLICA_URL_FILE=(\S+)$", script, flags=re.MULTILINE):
            told[name[0]] = name[1]
    assert told == dict.fromkeys(("USER", "STEP", "NOTIFICATION"), "/run/secrets/mysql_replica.url")


def test_redis_fails_over_and_speaks_tls() -> None:
    (cache,) = boto3.client("elasticache").describe_replication_groups()["ReplicationGroups"]
    assert (cache["MultiAZ"], cache["AutomaticFailover"]) == ("enabled", "enabled")
    assert cache["TransitEncryptionEnabled"]


def test_groups_scale_on_processor_and_step_on_streams_too() -> None:
    policies = boto3.client("autoscaling").describe_policies()["ScalingPolicies"]
    kinds = Counter(
        "cpu"
        if "PredefinedMetricSpecification" in each["TargetTrackingConfiguration"]
        else each["AutoScalingGroupName"]
        for each in policies
    )
    assert kinds["cpu"] == 4
    (streams,) = [name for name in kinds if name != "cpu"]
    assert "StepFleet" in streams


def test_the_internal_name_leads_to_the_internal_balancer(deployed: dict[str, str]) -> None:
    del deployed
    route53 = boto3.client("route53")
    (zone,) = route53.list_hosted_zones()["HostedZones"]
    records = route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
    (alias,) = [each["AliasTarget"]["DNSName"] for each in records if each["Name"] == "grpc.firewalker.internal."]
    balancers = boto3.client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert [each["DNSName"] for each in balancers if each["Scheme"] == "internal"] == [
        alias.removeprefix("dualstack.").removesuffix(".")
    ]


def test_alarms_tell_operators(deployed: dict[str, str]) -> None:
    alarms = boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert len(alarms) == 24
    assert all(each["AlarmActions"] == each["OKActions"] == [deployed["NewsTopic"]] for each in alarms)
