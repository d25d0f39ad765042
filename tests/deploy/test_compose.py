"""compose.yaml tells each process what it understands. The specification itself is checked by `make test-image`."""

from pathlib import Path
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
KEYS = "/run/firewalker"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
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
