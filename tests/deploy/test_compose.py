"""compose.yaml tells each process what it understands. The specification itself is checked by `make test-image`."""

import os
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from firewalker.local.containers import FILES, VOLUMES, deal
from firewalker.local.layout import Layout
from firewalker.local.secrets import SERVICES, Secrets
from firewalker.notification.config import NotificationConfig
from firewalker.runtime.config import ServiceConfig, load
from firewalker.runtime.grpc.arrivals import within
from firewalker.step.config import StepConfig
from firewalker.user.config import UserConfig
from transcoder.config import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return found


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first container leaves in the volumes of the others."""
    folder = tmp_path_factory.mktemp("volumes")
    deal(folder, os.getuid())
    return folder


def secrets_of(service: dict[str, Any], volumes: Path) -> dict[PurePosixPath, Path]:
    """Where in its container *service* sees which folder of *volumes*."""
    pairs = [mount.split(":") for mount in service.get("volumes", []) if mount.startswith("secrets-")]
    return {PurePosixPath(target): volumes / source.removeprefix("secrets-") for source, target, *_ in pairs}


@pytest.mark.parametrize(
    ("service", "config"), [("user", UserConfig), ("step", StepConfig), ("notification", NotificationConfig)]
)
def test_a_service_takes_what_compose_tells_it(
    service: str, config: type[ServiceConfig], services: dict[str, Any], volumes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((target, folder),) = secrets_of(services[service], volumes).items()
    for name, value in services[service]["environment"].items():
        assert isinstance(value, str), name
        monkeypatch.setenv(name, value.replace(str(target), str(folder)))
    made = load(config)
    assert f"127.0.0.1:{made.port}:{made.port}" in services[service]["ports"]
    assert services[service]["healthcheck"]["test"] == ["CMD", "firewalker", "health", service]
    assert services[f"migrate-{service}"]["environment"] == services[service]["environment"]
    assert services[f"migrate-{service}"]["volumes"][0] == services[service]["volumes"][0]
    # The engine's gateway, through which everybody on this machine comes, and the transcoder.
    for caller in ("172.18.0.1", "10.89.0.7", "127.0.0.1"):
        assert within(caller, made.exempt_networks)
    assert made.mysql_replica_url is None


def test_the_keys_are_dealt_into_the_volumes_that_processes_see(services: dict[str, Any], volumes: Path) -> None:
    given = [PurePosixPath(mount.split(":")[1]) for mount in services["keys"]["volumes"]]
    folders = {path.name for path in given if path.is_relative_to(VOLUMES)}
    assert folders == {path.name for path in volumes.iterdir()}
    sources = {mount.split(":")[0]: mount.split(":")[1] for mount in services["keys"]["volumes"]}
    for name in folders - {"all"}:
        assert sources[f"secrets-{name}"] == f"{VOLUMES}/{name}"


def test_every_secret_that_a_process_is_told_of_is_in_its_volume(services: dict[str, Any], volumes: Path) -> None:
    for name, service in services.items():
        told = [PurePosixPath(value) for value in service.get("environment", {}).values() if f"{VOLUMES}/" in value]
        seen = {
            target / file.name for target, folder in secrets_of(service, volumes).items() for file in folder.iterdir()
        }
        assert [path for path in told if path not in seen] == [], name


def test_a_process_sees_its_own_secrets_and_no_others(services: dict[str, Any], volumes: Path) -> None:
    made = Secrets(volumes / "all")
    owners = {
        made.access_token_key: {"user"},
        made.next_access_token_key: set[str](),
        made.refresh_key: {"user"},
        made.fcm_account: {"notification", "emulator"},
        made.fcm_certificate: {"emulator"},
        **{made.service_token(service): {service} for service in SERVICES},
        **{volumes / service / "mysql.url": {service} for service in SERVICES},
    }
    seen: dict[bytes, set[str]] = {}
    for name, service in services.items():
        for folder in secrets_of(service, volumes).values() if name not in {"keys", "mysql"} else ():
            for file in folder.iterdir():
                seen.setdefault(file.read_bytes(), set()).add(name.removeprefix("migrate-"))
    for secret, who in owners.items():
        assert seen.get(secret.read_bytes(), set()) == who, secret.name


def test_pictures_and_mails_outlast_their_container(services: dict[str, Any]) -> None:
    given = services["user"]["environment"]
    (kept,) = [mount.split(":")[1] for mount in services["user"]["volumes"] if mount.startswith("files:")]
    assert PurePosixPath(given["FIREWALKER_USER_AVATAR_FOLDER"]).is_relative_to(kept)
    assert Path(given["FIREWALKER_USER_MAIL_FOLDER"]) == Layout(Path(given["FIREWALKER_LOCAL_DIR"])).mail
    assert given["FIREWALKER_LOCAL_DIR"] == kept == str(FILES)
    port = given["FIREWALKER_USER_MEDIA_PORT"]
    assert f"127.0.0.1:{port}:{port}" in services["user"]["ports"]
    assert given["FIREWALKER_USER_AVATAR_URL"] == f"http://127.0.0.1:{port}/avatars"


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


def test_one_service_builds_the_image_and_nobody_fetches_it(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if "build" in service] == ["keys"]
    ours = {name: service["pull_policy"] for name, service in services.items() if service["image"] == "firewalker"}
    assert ours == {name: "build" if name == "keys" else "never" for name in ours}
    assert len(ours) == 9


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
