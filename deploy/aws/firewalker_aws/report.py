"""What a template costs by the month, and who may talk to whom in it: a table and a diagram, both read from the template alone."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from firewalker_aws import prices

Template = dict[str, Any]
Row = tuple[str, int, float]
"""What, how many, and dollars a month for one."""


def rows(template: Template) -> list[Row]:
    """What is paid for by the hour or by the month, at the least size of every group."""
    found = [*_instances(template), *_databases(template), *_caches(template)]
    for kind, name, price in (
        ("EC2::NatGateway", "NAT gateway", prices.NAT_HOUR * prices.HOURS),
        ("EC2::EIP", "public address of a NAT gateway", prices.ADDRESS_HOUR * prices.HOURS),
        ("ElasticLoadBalancingV2::LoadBalancer", "load balancer", prices.BALANCER_HOUR * prices.HOURS),
        ("SecretsManager::Secret", "secret", prices.SECRET),
        ("KMS::Key", "key", prices.KEY),
        ("CloudWatch::Alarm", "alarm", prices.ALARM),
        ("Route53::HostedZone", "private zone", prices.ZONE),
    ):
        if count := len(_of(template, kind)):
            found.append((name, count, price))
    return found


def table(templates: dict[str, Template]) -> str:
    """Markdown: a table for each environment."""
    lines = ["# Costs", "", *_PREFACE]
    for name, template in templates.items():
        lines += ["", f"## {name}", "", "| what | number | $ a month each | $ a month |", "|---|--:|--:|--:|"]
        total = 0.0
        for what, count, each in rows(template):
            total += count * each
            lines.append(f"| {what} | {count} | {each:.2f} | {count * each:.0f} |")
        lines.append(f"| **all** | | | **{total:.0f}** |")
    return "\n".join(lines) + "\n"


def diagram(template: Template) -> str:
    """Markdown with a mermaid diagram: security groups, and an arrow for each that may open connections to another."""
    names = {logical: each["GroupDescription"] for logical, each in _of(template, "EC2::SecurityGroup").items()}
    ports: dict[tuple[str, str], list[int]] = defaultdict(list)
    for target, group in _of(template, "EC2::SecurityGroup").items():
        for rule in group.get("SecurityGroupIngress", []):
            ports["everybody", target].append(int(rule["FromPort"]))
    for rule in _of(template, "EC2::SecurityGroupIngress").values():
        source, target = rule["SourceSecurityGroupId"]["Fn::GetAtt"][0], rule["GroupId"]["Fn::GetAtt"][0]
        ports[source, target].append(int(rule["FromPort"]))
    used = sorted({name for pair in ports for name in pair})
    short = {name: f"g{number}" for number, name in enumerate(used)}
    lines = ["# Who may open connections to whom", "", "Made from the security groups of the template.", ""]
    lines += ["```mermaid", "flowchart LR"]
    lines += [f'  {short[name]}["{_plain(names.get(name, "everybody"))}"]' for name in used]
    for (source, target), numbers in sorted(ports.items(), key=lambda pair: (short[pair[0][0]], short[pair[0][1]])):
        lines.append(f"  {short[source]} -- {', '.join(map(str, sorted(numbers)))} --> {short[target]}")
    return "\n".join([*lines, "```"]) + "\n"


_PREFACE = (
    "Made from the templates and the estimates in `firewalker_aws/prices.py`, which are entered by hand: look into AWS's price",
    "list before money depends on it. Groups are counted at their least size. Traffic, requests and logs come on top.",
)


def _of(template: Template, kind: str) -> dict[str, Any]:
    return {name: each["Properties"] for name, each in template["Resources"].items() if each["Type"] == f"AWS::{kind}"}


def _instances(template: Template) -> list[Row]:
    templates = _of(template, "EC2::LaunchTemplate")
    found = []
    for name, group in _of(template, "AutoScaling::AutoScalingGroup").items():
        data = templates[group["LaunchTemplate"]["LaunchTemplateId"]["Ref"]]["LaunchTemplateData"]
        fleet = re.sub(r"Fleet.*", "", name).lower()
        disk = sum(each["Ebs"]["VolumeSize"] for each in data["BlockDeviceMappings"]) * prices.EBS_GIB
        kind = data["InstanceType"]
        price = prices.EC2_HOUR[kind] * prices.HOURS + disk
        found.append((f"{fleet}: {kind} with its disk", int(group["MinSize"]), price))
    for each in _of(template, "EC2::Instance").values():
        disk = sum(one["Ebs"]["VolumeSize"] for one in each["BlockDeviceMappings"]) * prices.EBS_GIB
        price = (prices.EC2_HOUR[each["InstanceType"]] + prices.ADDRESS_HOUR) * prices.HOURS + disk
        found.append((f"bastion: {each['InstanceType']} with disk and public address", 1, price))
    return found


def _databases(template: Template) -> list[Row]:
    """A replica has no size of its own: it is as large as what it follows."""
    databases = _of(template, "RDS::DBInstance")
    sizes = [int(each["AllocatedStorage"]) for each in databases.values() if "AllocatedStorage" in each]
    found = []
    for each in databases.values():
        zones = 2 if each.get("MultiAZ") else 1
        price = zones * (prices.RDS_HOUR[each["DBInstanceClass"]] * prices.HOURS + sizes[0] * prices.RDS_GIB)
        what = "replica" if "SourceDBInstanceIdentifier" in each else "MySQL"
        found.append((f"{what}: {each['DBInstanceClass']} with {sizes[0]} GiB in {zones} zones", 1, price))
    return found


def _caches(template: Template) -> list[Row]:
    return [
        (
            f"Redis: {each['CacheNodeType']}",
            1 + int(each["ReplicasPerNodeGroup"]),
            prices.CACHE_HOUR[each["CacheNodeType"]] * prices.HOURS,
        )
        for each in _of(template, "ElastiCache::ReplicationGroup").values()
    ]


def _plain(text: str) -> str:
    return text.replace('"', "'")
