"""What each process of a local backend is told, and in which order they come."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from firewalker.cli import services
from firewalker.cli.terminal import CommandError
from firewalker.local import ports
from firewalker.local.binaries import Binary
from firewalker.local.checks import check_configuration
from firewalker.local.mysql_server import MySQLServer
from firewalker.local.plan import Plan, database_place, needs_private_redis, private_databases
from firewalker.local.problems import CannotStartError
from firewalker.local.redis_server import RedisServer
from firewalker.local.secrets import Secrets, make_fcm_secrets, make_secrets
from firewalker.local.up import greeting_text
from firewalker.local.variables import require_known

MARIADB = Binary(Path("/usr/sbin/mariadbd"), "mariadb", (10, 11, 19))
REDIS = Binary(Path("/usr/bin/redis-server"), "redis", (7, 0, 15))
PLAN = Plan(
    {"HOME": "/home/ann"},
    ports.chosen({}),
    Secrets(Path("/s")),
    MySQLServer(MARIADB, Path("/d/mysql"), Path("/r")),
    RedisServer(REDIS, Path("/d/redis"), Path("/r")),
)


def told(plan: Plan, name: str) -> dict[str, str]:
    (program,) = (program for program in plan.programs() if program.name == name)
    return {key: value for key, value in program.environment.items() if key.startswith("FIREWALKER_")}


def test_every_need_comes_before_what_needs_it() -> None:
    seen: set[str] = set()
    for program in PLAN.programs():
        assert seen.issuperset(program.needs)
        seen.add(program.name)
    assert seen == {
        *("mysql", "redis", "emulator", "user", "step", "notification", "transcoder"),
        *("user-migrate", "step-migrate", "notification-migrate"),
    }


def test_servers_stop_after_the_services() -> None:
    needs = {program.name: program.needs for program in PLAN.programs()}
    for service in ("user", "step", "notification"):
        assert {"mysql", "redis"} <= set(needs[service])


def test_the_step_service_is_told_what_it_needs() -> None:
    assert told(PLAN, "step") == {
        "FIREWALKER_STEP_PORT": "50052",
        "FIREWALKER_STEP_INTERNAL_PORT": "50062",
        "FIREWALKER_STEP_METRICS_PORT": "9465",
        "FIREWALKER_STEP_MYSQL_URL": "mysql://root@localhost/firewalker_step?unix_socket=%2Fr%2Fmysql.sock",
        "FIREWALKER_STEP_REDIS_URL": "unix:///r/redis.sock?db=0",
        "FIREWALKER_STEP_JWKS_FILE": "/s/jwks.json",
        "FIREWALKER_STEP_SERVICE_TOKEN_FILE": "/s/service-step.token",
        "FIREWALKER_STEP_SERVICE_ALLOW_FILE": "/s/services.allow",
        "FIREWALKER_STEP_PAGE_KEY_FILE": "/s/page_token.key",
        "FIREWALKER_STEP_LOG_PSEUDONYM_KEY_FILE": "/s/log_pseudonym.key",
        "FIREWALKER_STEP_USER_ADDRESS": "127.0.0.1:50061",
        "FIREWALKER_STEP_NOTIFICATION_ADDRESS": "127.0.0.1:50063",
    }


def test_only_the_user_service_is_told_where_the_signing_keys_are() -> None:
    signing = {"/s/access_token.pem", "/s/refresh_token.key"}
    assert signing <= set(told(PLAN, "user").values())
    for other in ("step", "notification", "transcoder"):
        assert signing.isdisjoint(told(PLAN, other).values())


def test_the_transcoder_knows_addresses_and_the_contract_and_no_secret() -> None:
    settings = told(PLAN, "transcoder")
    assert settings.pop("FIREWALKER_TRANSCODER_DESCRIPTOR_SET").endswith("firewalker/gen/api.binpb")
    assert settings == {
        "FIREWALKER_TRANSCODER_PORT": "8080",
        "FIREWALKER_TRANSCODER_METRICS_PORT": "9467",
        "FIREWALKER_TRANSCODER_BACKENDS": "firewalker.user.v1=127.0.0.1:50051,firewalker.step.v1=127.0.0.1:50052,"
        "firewalker.notification.v1=127.0.0.1:50053",
        "FIREWALKER_TRANSCODER_SESSION_SERVICE": "firewalker.user.v1.AuthService",
        "FIREWALKER_TRANSCODER_LOG_FORMAT": "console",
    }


def test_what_the_person_sets_wins_and_reaches_that_process_only() -> None:
    environment = {
        "HOME": "/home/ann",
        "FIREWALKER_STEP_LOG_LEVEL": "debug",
        "FIREWALKER_STEP_JWKS_FILE": "/mine",
        "FIREWALKER_STEP_PAGE_KEY_FILE": "",
        "FIREWALKER_LOCAL_DIR": "/elsewhere",
    }
    plan = replace(PLAN, environment=environment)
    step = told(plan, "step")
    assert (step["FIREWALKER_STEP_LOG_LEVEL"], step["FIREWALKER_STEP_JWKS_FILE"]) == ("debug", "/mine")
    assert step["FIREWALKER_STEP_PAGE_KEY_FILE"] == "/s/page_token.key"
    assert "FIREWALKER_LOCAL_DIR" not in step
    assert told(plan, "user") == told(PLAN, "user")


def test_given_servers_take_the_place_of_private_ones() -> None:
    given = {f"FIREWALKER_{name}_MYSQL_URL": f"mysql://db/{name}" for name in ("USER", "STEP", "NOTIFICATION")}
    plan = replace(PLAN, environment={**given, "FIREWALKER_REDIS_URL": "redis://cache"}, mysql=None, redis=None)
    assert not {"mysql", "redis"} & {program.name for program in plan.programs()}
    assert told(plan, "step")["FIREWALKER_STEP_MYSQL_URL"] == "mysql://db/STEP"
    assert told(plan, "step")["FIREWALKER_STEP_REDIS_URL"] == "redis://cache"


def test_servers_given_in_files_take_the_place_of_private_ones_for_everybody(tmp_path: Path) -> None:
    (tmp_path / "mysql").write_text("mysql://ann:secret@db.example/steps\n")
    (tmp_path / "redis").write_text("redis://cache.example:1/0\n")
    environment = {
        "FIREWALKER_STEP_MYSQL_URL_FILE": str(tmp_path / "mysql"),
        "FIREWALKER_REDIS_URL_FILE": str(tmp_path / "redis"),
    }
    require_known(environment)
    assert private_databases(environment) == ("firewalker_user", "firewalker_notification")
    assert not needs_private_redis(environment)
    plan = replace(PLAN, environment=environment, redis=None)
    step = told(plan, "step")
    assert step["FIREWALKER_STEP_MYSQL_URL_FILE"] == str(tmp_path / "mysql")
    assert step["FIREWALKER_STEP_REDIS_URL_FILE"] == str(tmp_path / "redis")
    assert not {"FIREWALKER_STEP_MYSQL_URL", "FIREWALKER_STEP_REDIS_URL"} & step.keys()
    assert "FIREWALKER_USER_MYSQL_URL" in told(plan, "user")
    hints = {program.name: program.hint for program in plan.programs()}
    assert hints["step"] == "Its database is at db.example:3306 (FIREWALKER_STEP_MYSQL_URL_FILE)."
    # What commands are to look at is what the service uses.
    assert plan.url("step", "MYSQL_URL") == "mysql://ann:secret@db.example/steps"
    assert services.url("user", "REDIS_URL", environment) == "redis://cache.example:1/0"
    (tmp_path / "mysql").unlink()
    with pytest.raises(CommandError, match="MYSQL_URL of step"):
        services.url("step", "MYSQL_URL", environment)


@pytest.mark.parametrize("module", ["firewalker.user", "firewalker.step", "firewalker.notification", "transcoder"])
def test_every_process_accepts_what_it_is_told(module: str, tmp_path: Path) -> None:
    plan = replace(PLAN, environment=os.environ, secrets=make_secrets(tmp_path))
    make_fcm_secrets(plan.secrets, plan.port("emulator", "TLS_PORT"))
    (program,) = (program for program in plan.programs() if program.name == module.rpartition(".")[2])
    assert program.command == [sys.executable, "-m", module]
    done = subprocess.run(
        [*program.command, "check-config"],
        env=program.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("mysql://ann:secret@db.example:3307/walks", "db.example:3307"),
        ("mysql://ann:secret@db.example/walks", "db.example:3306"),
        ("mysql://ann:secret@localhost/walks?unix_socket=%2Frun%2Fm.sock", "/run/m.sock"),
        ("mysql://ann:sec/ret@db.example:3307/walks", ""),
        ("", ""),
    ],
)
def test_a_database_is_named_by_its_place_and_never_by_its_password(url: str, place: str) -> None:
    assert database_place(url) == place


def test_a_given_database_is_named_when_its_service_cannot_start() -> None:
    plan = replace(PLAN, environment={"FIREWALKER_USER_MYSQL_URL": "mysql://ann:secret@db.example/walks"})
    hints = {program.name: program.hint for program in plan.programs()}
    assert hints["user-migrate"] == "Its database is at db.example:3306 (FIREWALKER_USER_MYSQL_URL)."
    assert hints["step-migrate"] == ""


def test_all_that_is_wrong_with_the_settings_is_told_at_once(tmp_path: Path) -> None:
    wrong = {
        "FIREWALKER_USER_POOL_SIZ": "7",
        "FIREWALKER_STEP_LOG_LEVEL": "loud",
        "FIREWALKER_TRANSCODER_PROT": "8081",
    }
    plan = replace(PLAN, environment={**os.environ, **wrong}, secrets=make_secrets(tmp_path))
    make_fcm_secrets(plan.secrets, plan.port("emulator", "TLS_PORT"))
    with pytest.raises(CannotStartError) as raised:
        check_configuration(plan)
    told = str(raised.value)
    assert all(told.count(f"  {name}: ") == 1 for name in wrong), told
    assert "(did you mean FIREWALKER_TRANSCODER_PORT?)" in told


def test_with_a_service_account_of_ones_own_pushes_go_to_google() -> None:
    plan = replace(PLAN, environment={"FIREWALKER_NOTIFICATION_FCM_CREDENTIALS": "/keys/real.json"})
    assert "emulator" not in {program.name for program in plan.programs()}
    settings = {name: value for name, value in told(plan, "notification").items() if "_FCM_" in name}
    assert settings == {"FIREWALKER_NOTIFICATION_FCM_CREDENTIALS": "/keys/real.json"}
    assert told(PLAN, "notification")["FIREWALKER_NOTIFICATION_FCM_BASE_URL"] == "https://127.0.0.1:8091"


def test_what_is_offered_to_paste_names_the_ports_of_this_run() -> None:
    ports_of_ours = {**PLAN.ports, "FIREWALKER_USER_PORT": 50151, "FIREWALKER_STEP_METRICS_PORT": 9999}
    moved = replace(PLAN, ports=ports_of_ours, environment={"FIREWALKER_LOCAL_DIR": "/my data"})
    walk = greeting_text(moved, 1).splitlines()[-1]
    assert walk.strip().startswith("FIREWALKER_USER_PORT=50151 FIREWALKER_LOCAL_DIR='/my data' ")
    walk = greeting_text(PLAN, 1).splitlines()[-1]
    assert "FIREWALKER_" not in walk
    assert walk.endswith("firewalker walk --users 50 --minutes 2")


def test_links_for_people_lead_to_the_transcoder_of_this_run() -> None:
    moved = told(replace(PLAN, ports={**PLAN.ports, "FIREWALKER_TRANSCODER_PORT": 18080}), "user")
    assert moved["FIREWALKER_USER_LINK_URL"] == "http://127.0.0.1:18080"
    assert moved["FIREWALKER_USER_INVITE_LINK"] == "http://127.0.0.1:18080/?invite="
