"""What holds data: MySQL with its replica and backups, Redis, the secrets, and the key that all of it is encrypted with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from firewalker_aws.network import MYSQL, REDIS, Network
from firewalker_aws.plan import SERVICES, Sizes
from firewalker_aws.removal import kept

MYSQL_PARAMETERS = {
    "require_secure_transport": "1",  # ON is how Aurora spells it; a group for instances is refused with it
    "time_zone": "UTC",
    "character_set_server": "utf8mb4",
    "collation_server": "utf8mb4_unicode_ci",
    "binlog_format": "ROW",
    "innodb_flush_log_at_trx_commit": "1",  # an OK means durable
    "sync_binlog": "1",
    "gtid-mode": "ON",  # RDS's spelling; by these numbers the services know what a replica has
    "enforce_gtid_consistency": "ON",
    "slow_query_log": "1",
    "long_query_time": "0.5",
    "log_output": "FILE",  # RDS's default is TABLE, of which nothing gets to CloudWatch
}
ENGINE = rds.DatabaseInstanceEngine.mysql(version=rds.MysqlEngineVersion.VER_8_4_8)
MYSQL_LOGS = ["error", "slowquery"]
REDIS_PARAMETERS = {"maxmemory-policy": "noeviction"}
"""An evicted key could be an ended session; the services count on this (``redis_eviction``)."""


@dataclass(frozen=True)
class Data:
    """What the rest of the stack needs of it."""

    database: rds.DatabaseInstance
    replicas: list[rds.DatabaseInstanceReadReplica]
    cache: elasticache.CfnReplicationGroup
    cache_password: secretsmanager.Secret
    service_secrets: dict[str, secretsmanager.Secret]


def make_data(stack: Stack, sizes: Sizes, network: Network, key: kms.Key) -> Data:
    """Make all of it."""
    # Shared, so that a replica numbers its transactions too, and is as durable as its source was once it is promoted.
    parameters = rds.ParameterGroup(
        stack, "DatabaseParameters", engine=ENGINE, description="MySQL and its replicas", parameters=MYSQL_PARAMETERS
    )
    database = _database(stack, sizes, network, key, parameters)
    password = secretsmanager.Secret(
        stack,
        "CachePassword",
        encryption_key=key,
        description="Redis: its password",
        generate_secret_string=secretsmanager.SecretStringGenerator(exclude_punctuation=True, password_length=64),
    )
    secrets = {
        service: secretsmanager.Secret(
            stack,
            f"{service.title()}Secret",
            encryption_key=key,
            description=f"{service}: JSON of its secret files, by name",
            removal_policy=kept(sizes),
        )
        for service in SERVICES
    }
    return Data(
        database,
        [
            _replica(stack, sizes, network, key, parameters, source=database, number=number)
            for number in range(1, sizes.replicas + 1)
        ],
        _cache(stack, sizes, network, key, password),
        password,
        secrets,
    )


def _database(
    stack: Stack, sizes: Sizes, network: Network, key: kms.Key, parameters: rds.ParameterGroup
) -> rds.DatabaseInstance:
    return rds.DatabaseInstance(
        stack,
        "Database",
        vpc=network.vpc,
        vpc_subnets=network.data_subnets,
        security_groups=[network.database],
        engine=ENGINE,
        instance_type=ec2.InstanceType(sizes.database),
        multi_az=sizes.multi_az,
        port=MYSQL,
        credentials=rds.Credentials.from_generated_secret("operator", encryption_key=key),
        allocated_storage=sizes.database_gib,
        max_allocated_storage=sizes.database_max_gib,
        storage_type=rds.StorageType.GP3,
        storage_encrypted=True,
        storage_encryption_key=key,
        iam_authentication=True,
        backup_retention=Duration.days(sizes.backup_days),
        preferred_backup_window="18:00-19:00",  # 03:00 in Seoul
        preferred_maintenance_window="sun:19:30-sun:20:30",
        copy_tags_to_snapshot=True,
        deletion_protection=sizes.guarded,
        removal_policy=RemovalPolicy.SNAPSHOT,
        enable_performance_insights=sizes.protected,
        performance_insight_encryption_key=key if sizes.protected else None,
        cloudwatch_logs_exports=MYSQL_LOGS,
        parameter_group=parameters,
        auto_minor_version_upgrade=True,
    )


def _replica(
    stack: Stack,
    sizes: Sizes,
    network: Network,
    key: kms.Key,
    parameters: rds.ParameterGroup,
    *,
    source: rds.DatabaseInstance,
    number: int,
) -> rds.DatabaseInstanceReadReplica:
    """It has no backups of its own and therefore no binary log, which would slow it down; it gets both when it is promoted.

    Its source is named by its ARN, or RDS would refuse the subnet group, as it does within a region.
    """
    replica = rds.DatabaseInstanceReadReplica(
        stack,
        f"DatabaseReplica{number}",
        source_database_instance=source,
        vpc=network.vpc,
        vpc_subnets=network.data_subnets,
        security_groups=[network.database],
        instance_type=ec2.InstanceType(sizes.database),
        port=MYSQL,
        max_allocated_storage=sizes.database_max_gib,
        storage_type=rds.StorageType.GP3,
        storage_encryption_key=key,
        iam_authentication=True,
        deletion_protection=sizes.guarded,
        enable_performance_insights=sizes.protected,
        performance_insight_encryption_key=key if sizes.protected else None,
        cloudwatch_logs_exports=MYSQL_LOGS,
        parameter_group=parameters,
        auto_minor_version_upgrade=True,
    )
    # In its source's region it is encrypted as that is; CloudFormation refuses to be told so (E3020), and RDS with which key.
    resource = cast("Any", replica.node.default_child)
    for inherited in ("StorageEncrypted", "KmsKeyId"):
        resource.add_property_deletion_override(inherited)
    return replica


def _cache(
    stack: Stack, sizes: Sizes, network: Network, key: kms.Key, password: secretsmanager.Secret
) -> elasticache.CfnReplicationGroup:
    subnets = elasticache.CfnSubnetGroup(
        stack,
        "CacheSubnets",
        description="Redis: the data subnets",
        subnet_ids=network.vpc.select_subnets(subnet_group_name="data").subnet_ids,
    )
    parameters = elasticache.CfnParameterGroup(
        stack,
        "CacheParameters",
        cache_parameter_group_family="redis7",
        description="Redis: nothing is evicted",
        properties=REDIS_PARAMETERS,
    )
    several = sizes.cache_replicas > 0
    return elasticache.CfnReplicationGroup(
        stack,
        "Cache",
        replication_group_description="Firewalker: derived state, rebuilt from MySQL",
        engine="redis",
        engine_version="7.1",
        cache_node_type=sizes.cache,
        cache_parameter_group_name=parameters.ref,
        num_node_groups=1,
        replicas_per_node_group=sizes.cache_replicas,
        automatic_failover_enabled=several,
        multi_az_enabled=several,
        transit_encryption_enabled=True,
        at_rest_encryption_enabled=True,
        kms_key_id=key.key_arn,
        auth_token=password.secret_value.unsafe_unwrap(),  # a reference that CloudFormation resolves, not the value
        cache_subnet_group_name=subnets.ref,
        security_group_ids=[network.cache.security_group_id],
        port=REDIS,
    )
