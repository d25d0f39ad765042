"""compose.yaml tells each process what it understands. The specification itself is checked by `make test-image`."""

from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from firewalker.local.secrets import make_fcm_secrets, make_secrets
from firewalker.notification.config import NotificationConfig
from firewalker.runtime.config import ServiceConfig, load
from firewalker.step.config import StepConfig
from firewalker.user.config import UserConfig
from transcoder.config import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KEYS = "/run/firewalker"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return found


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make_fcm_secrets(make_secrets(folder), 8091)
    return folder


@pytest.mark.parametrize(
    ("service", "config"), [("user", UserConfig), ("step", StepConfig), ("notification", NotificationConfig)]
)
def test_a_service_takes_what_compose_tells_it(
    service: str, config: type[ServiceConfig], services: dict[str, Any], keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in services[service]["environment"].items():
        assert isinstance(value, str), name
        monkeypatch.setenv(name, value.replace(KEYS, str(keys)))
    made = load(config)
    assert f"127.0.0.1:{made.port}:{made.port}" in services[service]["ports"]
    assert services[service]["healthcheck"]["test"] == ["CMD", "firewalker", "health", service]
    assert services[f"migrate-{service}"]["environment"] == services[service]["environment"]


def test_the_transcoder_takes_what_compose_tells_it(services: dict[str, Any]) -> None:
    given = services["transcoder"]["environment"] | {
        "FIREWALKER_TRANSCODER_DESCRIPTOR_SET": str(ROOT / "firewalker" / "gen" / "api.binpb")
    }
    settings = Settings.from_environment(given)
    assert {str(prefix): address for prefix, address in settings.backends.items()}.keys() == {
        "firewalker.user.v1", "firewalker.step.v1", "firewalker.notification.v1"
    }  # fmt: skip


def test_what_runs_our_code_cannot_write_to_its_root_and_has_no_rights_beyond_files(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if service["image"] == "firewalker":
            assert service["read_only"], name
            assert service["cap_drop"] == ["ALL"], name


def test_everything_listens_on_this_machine_alone(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def mounts(service: dict[str, Any]) -> dict[PurePosixPath, Path]:
    """Where in its container *service* sees what of this folder."""
    pairs = [mount.split(":") for mount in service.get("volumes", []) if mount.startswith("./")]
    return {PurePosixPath(target): DEPLOY / source for source, target, *_ in pairs}


def test_what_is_mounted_from_here_is_here(services: dict[str, Any]) -> None:
    sources = [source for service in services.values() for source in mounts(service).values()]
    assert sources
    assert [source for source in sources if not source.exists()] == []


def test_prometheus_sees_the_rules_and_targets_that_it_reads(services: dict[str, Any]) -> None:
    found = mounts(services["prometheus"])
    (config,) = [target for target in found if target.name == "prometheus.yml"]
    told = yaml.safe_load(found[config].read_text())
    scraped = [places for job in told["scrape_configs"] for places in job["file_sd_configs"]]
    patterns = [*told["rule_files"], *(pattern for places in scraped for pattern in places["files"])]
    assert len(patterns) >= 2
    for pattern in patterns:
        place = config.parent / pattern
        seen = [
            file
            for target, source in found.items()
            if place.is_relative_to(target)
            for file in source.glob(str(place.relative_to(target)))
        ]
        assert seen, pattern
