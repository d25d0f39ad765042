"""What wakes somebody up, as CloudWatch sees it. What the product itself sees is in Prometheus (deploy/prometheus)."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration, Stack
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_rds as rds
from aws_cdk import aws_sns as sns
from firewalker_aws.balancers import Balancers
from firewalker_aws.data import Data
from firewalker_aws.plan import MOST_LAG_S, Sizes

GIB = 1024**3
ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
BREACHING = cloudwatch.TreatMissingData.BREACHING


@dataclass(frozen=True)
class Watch:
    """One alarm."""

    name: str
    why: str
    metric: cloudwatch.IMetric
    bound: float
    comparison: cloudwatch.ComparisonOperator = ABOVE
    periods: int = 3
    missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING


def make_alarms(
    stack: Stack,
    sizes: Sizes,
    *,
    topic: sns.Topic,
    data: Data,
    balancers: Balancers,
    fleets: dict[str, autoscaling.AutoScalingGroup],
) -> None:
    """Make all of them; each tells *topic* when it begins and when it is over."""
    watches = [*_databases(sizes, data), *_cache(sizes, data), *_balancers(balancers), *_fleets(sizes, fleets)]
    for watch in watches:
        alarm = cloudwatch.Alarm(
            stack,
            watch.name,
            metric=watch.metric,
            threshold=watch.bound,
            comparison_operator=watch.comparison,
            evaluation_periods=watch.periods,
            alarm_description=watch.why,
            treat_missing_data=watch.missing,
        )
        alarm.add_alarm_action(actions.SnsAction(topic))
        alarm.add_ok_action(actions.SnsAction(topic))


def _databases(sizes: Sizes, data: Data) -> list[Watch]:
    found = _database("Database", "MySQL", data.database, sizes)
    minute = Duration.minutes(1)
    for number, replica in enumerate(data.replicas, 1):
        name, who = f"DatabaseReplica{number}", f"replica {number}"
        found += _database(name, who, replica, sizes)
        lag = replica.metric("ReplicaLag", period=minute, statistic="Maximum")
        least = replica.metric("ReplicaLag", period=minute, statistic="Minimum")
        found += [
            Watch(f"{name}Lag", f"{who} is left aside, MySQL bears its reads: it is late", lag, MOST_LAG_S),
            # -1 while nothing is replicated, which would pass for no lag at all.
            Watch(f"{name}Stopped", f"{who} does not follow, or is gone", least, 0, BELOW, missing=BREACHING),
        ]
    return found


def _database(name: str, who: str, database: rds.IDatabaseInstance, sizes: Sizes) -> list[Watch]:
    minute = Duration.minutes(1)
    cpu, memory = database.metric_cpu_utilization(period=minute), database.metric_freeable_memory(period=minute)
    space = database.metric_free_storage_space(period=minute)
    tenth = sizes.database_gib * GIB / 10
    return [
        Watch(f"{name}Cpu", f"{who}: the processor is full", cpu, 80, periods=5),
        Watch(
            f"{name}Space", f"{who}: a tenth of the storage is left and it has not grown by itself", space, tenth, BELOW
        ),
        Watch(f"{name}Memory", f"{who} is about to swap", memory, GIB / 4, BELOW),
    ]


def _cache(sizes: Sizes, data: Data) -> list[Watch]:
    """ElastiCache tells its numbers for each node, by the name that it gives it; any of them can become the primary."""

    def metric(number: int, name: str, statistic: str = "Maximum") -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/ElastiCache",
            metric_name=name,
            dimensions_map={"CacheClusterId": f"{data.cache.ref}-{number:03d}"},
            period=Duration.minutes(1),
            statistic=statistic,
        )

    found = []
    for node in range(1, 2 + sizes.cache_replicas):
        memory, cpu = metric(node, "DatabaseMemoryUsagePercentage"), metric(node, "EngineCPUUtilization")
        evictions = metric(node, "Evictions", "Sum")
        found += [
            Watch(f"Cache{node}Memory", "Redis refuses writes when it is full", memory, 75),
            Watch(f"Cache{node}Evictions", "a key was evicted, though none may be", evictions, 0, periods=1),
            Watch(f"Cache{node}Cpu", "Redis's one thread is full", cpu, 80, periods=5),
        ]
    return found


def _balancers(balancers: Balancers) -> list[Watch]:
    minute = Duration.minutes(1)
    rest = balancers.rest.metrics
    found = [
        Watch(
            "RestErrors",
            "REST answers with 5xx",
            rest.http_code_target(elbv2.HttpCodeTarget.TARGET_5XX_COUNT, period=minute),
            20,
        ),
        Watch(
            "RestUnreached",
            "the balancer itself answers with 5xx: nobody is there, or too slow",
            rest.http_code_elb(elbv2.HttpCodeElb.ELB_5XX_COUNT, period=minute),
            20,
        ),
        Watch(
            "TranscoderUnhealthy",
            "transcoders fail their health checks",
            balancers.rest_targets.metrics.unhealthy_host_count(period=minute),
            0,
            periods=5,
        ),
    ]
    for service, group in balancers.grpc_targets.items():
        unhealthy = group.metrics.un_healthy_host_count(period=minute)
        found.append(
            Watch(f"{service.title()}Unhealthy", f"{service} fails its health checks", unhealthy, 0, periods=5)
        )
    return found


def _fleets(sizes: Sizes, fleets: dict[str, autoscaling.AutoScalingGroup]) -> list[Watch]:
    """At its maximum a group cannot follow the load any more; its processor then shows it."""
    return [
        Watch(
            f"{name.title()}Busy",
            f"{name} is busy beyond what its group scales for: it may be at its maximum",
            cloudwatch.Metric(
                namespace="AWS/EC2",
                metric_name="CPUUtilization",
                dimensions_map={"AutoScalingGroupName": group.auto_scaling_group_name},
                period=Duration.minutes(1),
                statistic="Average",
            ),
            sizes.fleets[name].cpu_target + 25,
            periods=10,
        )
        for name, group in fleets.items()
    ]
