"""What instances on AWS are told is what the product understands. Needs nothing of CDK."""

import json
import re
import subprocess
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import secret_files as program
import trustme
from firewalker_aws import boot, plan
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from firewalker.local.ports import DEFAULTS
from firewalker.notification.config import NotificationConfig
from firewalker.runtime.config import ServiceConfig, load
from firewalker.runtime.grpc.rates import client_address
from firewalker.runtime.mysql.address import Address
from firewalker.runtime.mysql.replica import MOST_LAG_S
from firewalker.runtime.workers import METRICS_STEP
from firewalker.step.config import StepConfig
from firewalker.user.config import UserConfig
from transcoder import page
from transcoder.config import Settings
from transcoder.session import door

PLACE = plan.Place(
    region="ap-northeast-2",
    public_networks=("10.20.0.0/24", "10.20.1.0/24"),
    inner_networks=("10.20.4.0/22",),
    images_bucket="pictures",
    images_url="https://d111.cloudfront.net",
    web_url="https://firewalker.example",
    mail_from="Firewalker <no-reply@firewalker.example>",
)
CONFIGS: dict[str, type[ServiceConfig]] = {"user": UserConfig, "step": StepConfig, "notification": NotificationConfig}
GENERATED = Path(__file__).parents[2] / "firewalker" / "gen" / "api.binpb"


@pytest.fixture(scope="module")
def operators(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an operator who has put there what only they can know."""
    folder = tmp_path_factory.mktemp("secrets")
    for service in plan.SERVICES:
        for name, host in (("mysql.url", "db.example"), ("mysql_replica.url", "replica.example")):
            (folder / f"{service}-{name}").write_text(
                f"mysql://{service}:pass@{host}:3306/firewalker_{service}?ssl_ca={plan.SECRETS}/{plan.RDS_AUTHORITIES}\n"
            )
    (folder / "mail.url").write_text("smtps://me:pass@mail.example")
    (folder / "providers.json").write_text("{}")
    (folder / "fcm.json").write_text("{}")
    return folder


def loaded(
    service: str, sizes: plan.Sizes, operators: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> ServiceConfig:
    """What *service* understands of what its instance is told, with its secret files in *folder*."""
    here = str(folder)
    files = program.content(operators, sizes, service) | {plan.REDIS_URL_FILE: "rediss://:pass@cache.example:6379/0"}
    for name, text in files.items():
        (folder / name).write_text(text.replace(plan.SECRETS, here))
    trustme.CA().cert_pem.write_to_path(folder / plan.RDS_AUTHORITIES)
    place = replace(PLACE, replica=sizes.replicas > 0)
    for name, value in plan.settings(service, place, sizes.fleets[service]).items():
        monkeypatch.setenv(name, value.replace(plan.SECRETS, here))
    return load(CONFIGS[service])


@pytest.mark.parametrize("service", plan.SERVICES)
@pytest.mark.parametrize("sizes", plan.SIZES.values(), ids=plan.SIZES)
def test_a_service_takes_the_settings_and_files_that_it_is_given(
    service: str, sizes: plan.Sizes, operators: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = loaded(service, sizes, operators, tmp_path, monkeypatch)
    assert (config.port, config.internal_port) == (plan.GRPC_PORTS[service], plan.INTERNAL_PORTS[service])
    assert (config.metrics_port, config.workers) == (plan.METRICS_PORTS[service], sizes.fleets[service].workers)
    assert config.redis_url.get_secret_value().startswith("rediss://")


@pytest.mark.parametrize("service", plan.SERVICES)
def test_reads_go_to_a_replica_over_tls_where_there_is_one(
    service: str, operators: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, host in (("prod", "replica.example"), ("dev", None)):
        folder = tmp_path / name
        folder.mkdir()
        with monkeypatch.context() as patch:
            config = loaded(service, plan.SIZES[name], operators, folder, patch)
        primary, url = config.mysql_url.get_secret_value(), config.mysql_replica_url
        assert Address.parse(primary).host == "db.example"
        if url is None:
            assert host is None
        else:
            replica = Address.parse(url.get_secret_value())
            assert (replica.host, replica.database) == (host, f"firewalker_{service}")
            assert replica.tls is not None


@pytest.mark.parametrize("service", plan.SERVICES)
def test_a_rest_call_counts_by_its_clients_address_and_not_by_the_balancers(
    service: str, operators: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = loaded(service, plan.PROD, operators, tmp_path, monkeypatch)
    chain = [(b"x-forwarded-for", b"203.0.113.5, 10.20.0.12")]
    assert client_address("10.20.4.7", chain, config.trusted_proxies) == "203.0.113.5"


def test_the_transcoder_takes_its_settings() -> None:
    given = plan.settings("transcoder", PLACE, plan.PROD.fleets["transcoder"])
    settings = Settings.from_environment(given | {"FIREWALKER_TRANSCODER_DESCRIPTOR_SET": str(GENERATED)})
    assert settings.port == plan.REST_PORT
    assert settings.metrics_port == plan.METRICS_PORTS["transcoder"]


def test_ports_are_those_of_the_contract() -> None:
    for service in plan.SERVICES:
        assert DEFAULTS[f"FIREWALKER_{service.upper()}_PORT"] == plan.GRPC_PORTS[service]
        assert DEFAULTS[f"FIREWALKER_{service.upper()}_INTERNAL_PORT"] == plan.INTERNAL_PORTS[service]
    assert plan.METRICS_STEP == METRICS_STEP


def test_the_alarm_of_a_late_replica_rings_when_services_leave_it_aside() -> None:
    assert plan.MOST_LAG_S == MOST_LAG_S


def test_every_route_of_the_contract_gets_through_the_balancer() -> None:
    patterns = [pattern for patterns in plan.REST_PATHS.values() for pattern in patterns]
    assert max(map(len, plan.REST_PATHS.values())) <= 5
    found = descriptor_pb2.FileDescriptorSet.FromString(GENERATED.read_bytes())
    rules = [
        method.options.Extensions[annotations_pb2.http]
        for file in found.file
        for service in file.service
        for method in service.method
    ]
    paths = [getattr(rule, rule.WhichOneof("pattern")) for rule in rules if rule.WhichOneof("pattern")]
    assert len(paths) > 50
    assert [path for path in paths if not any(fnmatchcase(path, pattern) for pattern in patterns)] == []
    assert not any(fnmatchcase(path, pattern) for path in ("/metrics", "/readyz", "/docs") for pattern in patterns)


def test_the_web_page_gets_through_the_balancer_with_its_sessions() -> None:
    patterns = [pattern for patterns in plan.REST_PATHS.values() for pattern in patterns]
    for path in (*page.PATHS, f"{page.PREFIX}1/app/main.js", f"{door.PREFIX}login"):
        assert any(fnmatchcase(path, pattern) for pattern in patterns), path
    given = plan.settings("transcoder", PLACE, plan.PROD.fleets["transcoder"])
    assert given["FIREWALKER_TRANSCODER_SESSION_SERVICE"] == "firewalker.user.v1.AuthService"


def test_what_an_operator_forgot_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"user-mysql\.url"):
        program.content(tmp_path, plan.PROD, "user")
    for service in ("step-mysql.url", "step-mysql_replica.url"):
        with pytest.raises(FileNotFoundError, match=service):
            program.content(tmp_path, plan.PROD, "step")
        (tmp_path / service).write_text("mysql://x")
    assert program.content(tmp_path, plan.PROD, "step")["mysql_replica.url"] == "mysql://x"
    assert "mysql_replica.url" not in program.content(tmp_path, plan.DEV, "step")


@pytest.mark.parametrize("group", plan.GROUPS)
def test_what_an_instance_runs_is_a_script_whose_programs_are_programs(group: str) -> None:
    fleet = plan.PROD.fleets[group]
    machine = boot.Machine(
        group=group,
        image="1.dkr.ecr.example/firewalker:7",
        settings=plan.settings(group, PLACE, fleet),
        workers=fleet.workers,
        region="ap-northeast-2",
        stack="Firewalker-prod",
        resource="Fleet",
        log_group="lines",
        secret="arn:own",
        files=tuple(plan.secret_files(group, replica=True).values()) if group != "transcoder" else (),
        redis_secret="arn:redis",
        redis_host="cache.example",
    )
    script = f"{boot.INTERPRETER}\n{boot.script(machine)}"
    checked = subprocess.run(["/bin/bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert not checked.stderr
    for program_text in re.findall(r"<<'END'\n(#!/usr/bin/python3.*?)\nEND\n", script, flags=re.DOTALL):
        compile(program_text, "firewalker-secrets", "exec")
        assert json.dumps(sorted(plan.secret_files(group, replica=True).values())) in program_text
    assert ("arn:own" in script) == (group != "transcoder")
    assert ("put-metric-data" in script) == (group == "step")
