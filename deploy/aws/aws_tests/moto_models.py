"""Resource types that moto knows through its API and not through CloudFormation, or knows too little of.

Each model makes the real boto3 call with the template's properties: botocore checks names and types, moto the references. Has to
be imported before a stack is made, for moto finds models by their base class; of a type that it has itself, the last one counts.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Any

import boto3
import moto.cloudformation.parsing  # noqa: F401 - moto's own models first
from moto.core.common_models import CloudFormationModel

if TYPE_CHECKING:
    from collections.abc import Callable

Properties = dict[str, Any]
Made = tuple[str, dict[str, Any]]
"""The physical id, and attributes for Fn::GetAtt."""

MODELS: list[type] = []
"""Kept alive here: moto looks for them among the subclasses."""


def model(kind: str, *attributes: str) -> Callable[[Any], Any]:
    """Let the decorated function make resources of *kind*, whose *attributes* others may ask for."""

    def register(create: Any) -> Any:
        class Model(CloudFormationModel):
            __module__ = "moto.cloudformation.added"  # moto reads the second word as the service

            def __init__(self, physical_id: str, values: dict[str, Any]) -> None:
                self.physical_resource_id = physical_id
                self.values = values

            @staticmethod
            def cloudformation_name_type() -> str:
                return ""

            @staticmethod
            def cloudformation_type() -> str:
                return kind

            @classmethod
            def has_cfn_attr(cls, attr: str) -> bool:
                return attr in attributes

            def get_cfn_attribute(self, attribute_name: str) -> Any:
                return self.values[attribute_name]

            @classmethod
            def create_from_cloudformation_json(
                cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
            ) -> Model:
                del account_id
                return cls(*create(resource_name, cloudformation_json.get("Properties", {}), region_name))

        MODELS.append(Model)
        return create

    return register


def only(properties: Properties, *names: str) -> Properties:
    """Those of *names* that are there."""
    return {name: properties[name] for name in names if name in properties}


def flags(properties: Properties, *names: str) -> dict[str, bool]:
    """The same, as the booleans that boto3 wants."""
    return {name: str(value).lower() == "true" for name, value in only(properties, *names).items()}


def numbers(properties: Properties, *names: str) -> dict[str, int]:
    """The same, as numbers."""
    return {name: int(value) for name, value in only(properties, *names).items()}


def _short(name: str) -> str:
    """*name* as a balancer may be called: 32 letters and digits at most."""
    return f"fw-{hashlib.sha256(name.encode()).hexdigest()[:20]}"


@model("AWS::SecretsManager::Secret", "Id")
def _secret(name: str, properties: Properties, region: str) -> Made:
    wish = properties.get("GenerateSecretString", {})
    value = secrets.token_hex(int(wish.get("PasswordLength", 32)) // 2)
    if "SecretStringTemplate" in wish:
        value = json.dumps({**json.loads(wish["SecretStringTemplate"]), wish["GenerateStringKey"]: value})
    arn = boto3.client("secretsmanager", region).create_secret(
        Name=properties.get("Name", name), SecretString=value, **only(properties, "KmsKeyId", "Description")
    )["ARN"]
    return arn, {"Id": arn}


@model("AWS::SecretsManager::SecretTargetAttachment", "Id")
def _attachment(_name: str, properties: Properties, region: str) -> Made:
    manager = boto3.client("secretsmanager", region)
    databases = boto3.client("rds", region).describe_db_instances(DBInstanceIdentifier=properties["TargetId"])
    endpoint = databases["DBInstances"][0]["Endpoint"]
    value = json.loads(manager.get_secret_value(SecretId=properties["SecretId"])["SecretString"])
    value |= {"host": endpoint["Address"], "port": endpoint["Port"]}
    manager.put_secret_value(SecretId=properties["SecretId"], SecretString=json.dumps(value))
    return properties["SecretId"], {"Id": properties["SecretId"]}


@model("AWS::S3::BucketPolicy")
def _bucket_policy(_name: str, properties: Properties, region: str) -> Made:
    bucket = properties["Bucket"]
    boto3.client("s3", region).put_bucket_policy(Bucket=bucket, Policy=json.dumps(properties["PolicyDocument"]))
    return bucket, {}


@model("AWS::SNS::TopicPolicy")
def _topic_policy(name: str, properties: Properties, region: str) -> Made:
    policy = json.dumps(properties["PolicyDocument"])
    for topic in properties["Topics"]:
        boto3.client("sns", region).set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    return name, {}


@model("AWS::CloudWatch::Alarm", "Arn")
def _alarm(name: str, properties: Properties, region: str) -> Made:
    given = {key: value for key, value in properties.items() if key != "Tags"}
    given |= {"Threshold": float(given["Threshold"]), **numbers(given, "EvaluationPeriods", "Period")}
    boto3.client("cloudwatch", region).put_metric_alarm(AlarmName=name, **given)
    return name, {"Arn": name}


@model("AWS::EC2::SecurityGroupEgress", "Id")
def _egress(_name: str, properties: Properties, region: str) -> Made:
    rule = {"IpProtocol": str(properties["IpProtocol"]), **numbers(properties, "FromPort", "ToPort")}
    rule["UserIdGroupPairs"] = [{"GroupId": properties["DestinationSecurityGroupId"]}]
    answer = boto3.client("ec2", region).authorize_security_group_egress(
        GroupId=properties["GroupId"], IpPermissions=[rule]
    )
    made = answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    return made, {"Id": made}


@model("AWS::AutoScaling::ScalingPolicy", "Arn")
def _scaling(name: str, properties: Properties, region: str) -> Made:
    target = {**properties["TargetTrackingConfiguration"]}
    target["TargetValue"] = float(target["TargetValue"])
    for metric in [target.get("CustomizedMetricSpecification", {})]:
        metric.pop("Period", None)  # moto's validation is older than this property
    boto3.client("autoscaling", region).put_scaling_policy(
        AutoScalingGroupName=properties["AutoScalingGroupName"],
        PolicyName=name,
        PolicyType=properties["PolicyType"],
        TargetTrackingConfiguration=target,
    )
    return name, {"Arn": name}


@model("AWS::ElastiCache::SubnetGroup")
def _cache_subnets(name: str, properties: Properties, region: str) -> Made:
    boto3.client("elasticache", region).create_cache_subnet_group(
        CacheSubnetGroupName=name.lower(),
        CacheSubnetGroupDescription=properties["Description"],
        SubnetIds=properties["SubnetIds"],
    )
    return name.lower(), {}


@model("AWS::ElastiCache::ParameterGroup")
def _cache_parameters(name: str, _properties: Properties, _region: str) -> Made:
    return name.lower(), {}  # moto has no such call; what is in it is asserted in the template


@model(
    "AWS::ElastiCache::ReplicationGroup",
    "PrimaryEndPoint.Address",
    "PrimaryEndPoint.Port",
    "ReaderEndPoint.Address",
    "ReaderEndPoint.Port",
)
def _replication_group(name: str, properties: Properties, region: str) -> Made:
    client, identifier = boto3.client("elasticache", region), name.lower()[:40]
    client.create_replication_group(
        ReplicationGroupId=identifier,
        **only(properties, "ReplicationGroupDescription", "CacheNodeType", "Engine", "EngineVersion", "KmsKeyId"),
        **only(properties, "CacheSubnetGroupName", "SecurityGroupIds", "AuthToken", "CacheParameterGroupName"),
        **numbers(properties, "NumNodeGroups", "ReplicasPerNodeGroup", "Port"),
        **flags(properties, "AutomaticFailoverEnabled", "MultiAZEnabled"),
        **flags(properties, "TransitEncryptionEnabled", "AtRestEncryptionEnabled"),
    )
    group = client.describe_replication_groups(ReplicationGroupId=identifier)["ReplicationGroups"][0]
    nodes = (group.get("NodeGroups") or [{}])[0]
    primary = nodes.get("PrimaryEndpoint") or {"Address": f"{identifier}.cache.amazonaws.com", "Port": 6379}
    reader = nodes.get("ReaderEndpoint") or primary
    return identifier, {
        f"{kind}EndPoint.{part}": end.get(part, 6379)
        for kind, end in (("Primary", primary), ("Reader", reader))
        for part in ("Address", "Port")
    }


@model("AWS::CloudFront::OriginAccessControl", "Id")
def _access_control(_name: str, properties: Properties, region: str) -> Made:
    config = properties["OriginAccessControlConfig"]
    made = boto3.client("cloudfront", region).create_origin_access_control(
        OriginAccessControlConfig=only(
            config, "Name", "Description", "SigningProtocol", "SigningBehavior", "OriginAccessControlOriginType"
        )
    )["OriginAccessControl"]["Id"]
    return made, {"Id": made}


@model("AWS::CloudFront::Distribution", "DomainName", "Id")
def _distribution(name: str, properties: Properties, region: str) -> Made:
    config = properties["DistributionConfig"]
    behavior = config["DefaultCacheBehavior"]
    origins = [
        {
            **only(origin, "Id", "DomainName", "OriginPath", "OriginAccessControlId"),
            "S3OriginConfig": {"OriginAccessIdentity": ""},
        }
        for origin in config["Origins"]
    ]
    made = boto3.client("cloudfront", region).create_distribution(
        DistributionConfig={
            "CallerReference": name,
            "Comment": config["Comment"],
            **flags(config, "Enabled"),
            "Origins": {"Quantity": len(origins), "Items": origins},
            "DefaultCacheBehavior": only(
                behavior, "TargetOriginId", "ViewerProtocolPolicy", "CachePolicyId", "ResponseHeadersPolicyId"
            ),
        }
    )["Distribution"]
    return made["Id"], {"DomainName": made["DomainName"], "Id": made["Id"]}


@model(
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "DNSName",
    "LoadBalancerFullName",
    "LoadBalancerName",
    "CanonicalHostedZoneID",
    "SecurityGroups",
)
def _balancer(name: str, properties: Properties, region: str) -> Made:
    """Moto's own model makes an ALB of every NLB."""
    client = boto3.client("elbv2", region)
    made = client.create_load_balancer(
        Name=_short(name), **only(properties, "Type", "Scheme", "SecurityGroups", "Subnets")
    )["LoadBalancers"][0]
    client.modify_load_balancer_attributes(
        LoadBalancerArn=made["LoadBalancerArn"],
        Attributes=[{key: str(value) for key, value in each.items()} for each in properties["LoadBalancerAttributes"]],
    )
    return made["LoadBalancerArn"], {
        "DNSName": made["DNSName"],
        "LoadBalancerFullName": made["LoadBalancerArn"].split(":loadbalancer/")[1],
        "LoadBalancerName": made["LoadBalancerName"],
        "CanonicalHostedZoneID": made.get("CanonicalHostedZoneId"),
        "SecurityGroups": made.get("SecurityGroups", []),
    }


@model("AWS::RDS::DBParameterGroup", "DBParameterGroupName")
def _database_parameters(name: str, properties: Properties, region: str) -> Made:
    """Moto's own answers a Ref with an object of Python."""
    client = boto3.client("rds", region)
    client.create_db_parameter_group(
        DBParameterGroupName=name.lower(),
        DBParameterGroupFamily=properties["Family"],
        Description=properties["Description"],
    )
    client.modify_db_parameter_group(
        DBParameterGroupName=name.lower(),
        Parameters=[
            {"ParameterName": key, "ParameterValue": str(value), "ApplyMethod": "pending-reboot"}
            for key, value in properties["Parameters"].items()
        ],
    )
    return name.lower(), {"DBParameterGroupName": name.lower()}


@model("AWS::RDS::DBSubnetGroup")
def _database_subnets(name: str, properties: Properties, region: str) -> Made:
    """Moto's own answers a Ref with an object of Python."""
    boto3.client("rds", region).create_db_subnet_group(
        DBSubnetGroupName=name.lower(),
        DBSubnetGroupDescription=properties["DBSubnetGroupDescription"],
        SubnetIds=properties["SubnetIds"],
    )
    return name.lower(), {}


@model("AWS::RDS::DBInstance", "Endpoint.Address", "Endpoint.Port", "DbiResourceId", "DBInstanceArn")
def _database(name: str, properties: Properties, region: str) -> Made:
    """Moto's own drops half of what we assert."""
    client, identifier = boto3.client("rds", region), name.lower()[:60]
    common = only(properties, "DBInstanceClass", "DBSubnetGroupName", "KmsKeyId", "StorageType")
    common |= flags(
        properties, "MultiAZ", "PubliclyAccessible", "DeletionProtection", "EnableIAMDatabaseAuthentication"
    )
    common |= {**numbers(properties, "Port"), "VpcSecurityGroupIds": properties["VPCSecurityGroups"]}
    source = properties.get("SourceDBInstanceIdentifier")
    if source:
        client.create_db_instance_read_replica(
            DBInstanceIdentifier=identifier,
            SourceDBInstanceIdentifier=source,
            **common,
            **only(properties, "DBParameterGroupName", "EnableCloudwatchLogsExports"),
            **numbers(properties, "MaxAllocatedStorage"),
        )
    else:
        client.create_db_instance(
            DBInstanceIdentifier=identifier,
            **common,
            **only(
                properties, "Engine", "EngineVersion", "DBParameterGroupName", "MasterUsername", "MasterUserPassword"
            ),
            **only(properties, "EnableCloudwatchLogsExports", "PreferredBackupWindow"),
            **numbers(properties, "AllocatedStorage", "MaxAllocatedStorage", "BackupRetentionPeriod"),
            **flags(properties, "StorageEncrypted"),
        )
    made = client.describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]
    return identifier, {
        "Endpoint.Address": made["Endpoint"]["Address"],
        "Endpoint.Port": made["Endpoint"]["Port"],
        "DbiResourceId": made["DbiResourceId"],
        "DBInstanceArn": made["DBInstanceArn"],
    }


@model("AWS::ElasticLoadBalancingV2::TargetGroup", "TargetGroupFullName")
def _target_group(name: str, properties: Properties, region: str) -> Made:
    """Moto's own knows no attributes."""
    client = boto3.client("elbv2", region)
    arn = client.create_target_group(
        Name=_short(name),
        **only(properties, "Protocol", "VpcId", "HealthCheckProtocol", "HealthCheckPath", "TargetType"),
        **numbers(
            properties, "Port", "HealthCheckIntervalSeconds", "HealthCheckTimeoutSeconds", "HealthyThresholdCount"
        ),
    )["TargetGroups"][0]["TargetGroupArn"]
    client.modify_target_group_attributes(
        TargetGroupArn=arn,
        Attributes=[{key: str(value) for key, value in each.items()} for each in properties["TargetGroupAttributes"]],
    )
    return arn, {"TargetGroupFullName": arn.rpartition(":")[2]}
