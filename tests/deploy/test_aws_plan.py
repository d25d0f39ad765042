"""What instances on AWS are told is what the product understands. Needs nothing of CDK."""

import json
import re
import subprocess
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
        url = (
            f"mysql://{service}:pass@db.example:3306/firewalker_{service}?ssl_ca={plan.SECRETS}/{plan.RDS_AUTHORITIES}"
        )
        (folder / f"{service}-mysql.url").write_text(url + "\n")
    (folder / "mail.url").write_text("smtps://me:pass@mail.example")
    (folder / "providers.json").write_text("{}")
    (folder / "fcm.json").write_text("{}")
    return folder


def loaded(
    service: str, sizes: plan.Sizes, operators: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> ServiceConfig:
    """What *service* understands of what its instance is told, with its secret files in *folder*."""
    here = str(folder)
    files = program.content(operators, service) | {plan.REDIS_URL_FILE: "rediss://:pass@cache.example:6379/0"}
    for name, text in files.items():
        (folder / name).write_text(text.replace(plan.SECRETS, here))
    trustme.CA().cert_pem.write_to_path(folder / plan.RDS_AUTHORITIES)
    for name, value in plan.settings(service, PLACE, sizes.fleets[service]).items():
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
    with pytest.raises(FileNotFoundError, match="user-mysql"):
        program.content(tmp_path, "user")


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
        redis_secret="arn:redis",
        redis_host="cache.example",
    )
    script = f"{boot.INTERPRETER}\n{boot.script(machine)}"
    checked = subprocess.run(["/bin/bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert not checked.stderr
    for program_text in re.findall(r"<<'END'\n(#!/usr/bin/python3.*?)\nEND\n", script, flags=re.DOTALL):
        compile(program_text, "firewalker-secrets", "exec")
        assert json.dumps(sorted(plan.secret_files(group).values())) in program_text
    assert ("arn:own" in script) == (group != "transcoder")
    assert ("put-metric-data" in script) == (group == "step")
