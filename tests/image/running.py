"""Running the user service out of the image, with private MySQL and Redis of this machine, as nobody in particular."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from firewalker.local.secrets import make_secrets
from firewalker.local.servers import PrivateServers
from firewalker.runtime.grpc.messages import message_class
from tests.image.building import Image, MissingError

UID = 10_001
PORT = 25_051
READY_S = 60
STOP_S = 30
DATABASE = "firewalker_user"


def run_and_stop(image: Image) -> None:
    """Migrate, serve, sign somebody up, and stop it.

    Raises:
        MissingError: With the first thing that is not as it should be.
    """
    with tempfile.TemporaryDirectory(prefix="fw-run.") as name:
        folder = Path(name)
        with PrivateServers.start(folder / "servers", databases=(DATABASE,)) as servers:
            environment = _environment(folder, servers)
            _open_to_the_image(folder, servers)
            mounts = (folder, *{servers.mysql.server.sockets, servers.redis.server.sockets})
            marker = folder / "marker"
            marker.touch()
            _done(
                image.command(
                    "/venv/bin/python", "-m", "firewalker.user", "migrate", mounts=mounts, environment=environment
                )
            )
            log = folder / "log"
            with log.open("wb") as output:
                process = subprocess.Popen(
                    image.command("/venv/bin/python", "-m", "firewalker.user", mounts=mounts, environment=environment),
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            try:
                _wait_until_it_serves(process, log)
                user = _sign_up()
                _done(image.command("firewalker", "health", "user", environment={"FIREWALKER_USER_PORT": str(PORT)}))
                pid = _inner(process.pid)
                uid = Path(f"/proc/{pid}").stat().st_uid
                if uid != UID:
                    raise MissingError(f"it runs as {uid}, not as {UID}")
                began = time.monotonic()
                os.kill(pid, signal.SIGTERM)
                status = process.wait(STOP_S)
                if status != 0:
                    raise MissingError(f"it ended with {status} after SIGTERM:\n{log.read_text()[-2000:]}")
            finally:
                process.kill()
                process.wait()
            written = _written(image.root, marker)
            if written:
                raise MissingError(f"it wrote outside of /tmp: {', '.join(written[:10])}")
    print(f"It answered gRPC as uid {UID} (user {user}), wrote nothing outside of /tmp,")
    print(f"and stopped with 0, {time.monotonic() - began:.1f} s after SIGTERM.")


def _environment(folder: Path, servers: PrivateServers) -> dict[str, str]:
    made = make_secrets(folder / "secrets")
    mail = folder / "mail"
    mail.mkdir()
    given = {
        "PORT": PORT,
        "INTERNAL_PORT": PORT + 1,
        "MYSQL_URL": servers.mysql_url(DATABASE),
        "REDIS_URL": servers.redis_url(),
        "JWKS_FILE": made.jwks,
        "SERVICE_TOKEN_FILE": made.service_token("user"),
        "SERVICE_ALLOW_FILE": made.allowed_services,
        "PAGE_KEY_FILE": made.page_key,
        "ACCESS_TOKEN_KEY_FILE": made.access_token_key,
        "REFRESH_KEY_FILE": made.refresh_key,
        "MAIL_FOLDER": mail,
    }
    return {f"FIREWALKER_USER_{name}": str(value) for name, value in given.items()}


def _open_to_the_image(folder: Path, servers: PrivateServers) -> None:
    """Let the image's user read the secrets and reach the sockets."""
    for path in (folder / "secrets", *(folder / "secrets").iterdir(), folder / "mail"):
        os.chown(path, UID, UID)
    for path in (folder, folder / "servers", servers.mysql.server.sockets, servers.redis.server.sockets):
        path.chmod(0o755)
    for socket in servers.redis.server.sockets.glob("*.sock"):
        socket.chmod(0o777)


def _done(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingError(f"{' '.join(command[-4:])} failed:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")


def _wait_until_it_serves(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_S
    with grpc.insecure_channel(f"127.0.0.1:{PORT}") as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check", HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString
        )
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if check(HealthCheckRequest(), timeout=2).status == HealthCheckResponse.SERVING:
                    return
            except grpc.RpcError:
                time.sleep(0.1)
    raise MissingError(f"it does not serve:\n{log.read_text()[-2000:]}")


def _sign_up() -> str:
    request = message_class("firewalker.user.v1.SignUpRequest")
    answer = message_class("firewalker.user.v1.SignUpResponse")
    with grpc.insecure_channel(f"127.0.0.1:{PORT}") as channel:
        call = channel.unary_unary(
            "/firewalker.user.v1.AuthService/SignUp", request.SerializeToString, answer.FromString
        )
        who = secrets.token_hex(4)
        made = call(
            request(email=f"{who}@example.com", password="a long walk home", nickname=who, time_zone="Europe/Berlin"),
            timeout=20,
        )
    return str(made.user.user_id)


def _inner(parent: int) -> int:
    """The service's own process among the descendants of buildah's.

    Raises:
        MissingError: There is none.
    """
    children = [
        child for task in Path(f"/proc/{parent}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    for child in map(int, children):
        words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        if words[0].endswith(b"python") and words[1:3] == [b"-m", b"firewalker.user"]:
            return child
        try:
            return _inner(child)
        except MissingError:
            continue
    raise MissingError("the service's process is not to be found")


def _written(root: Path, marker: Path) -> list[str]:
    """Files of the image that changed since *marker*, but for those in /tmp and those that buildah keeps for itself."""
    since = marker.stat().st_mtime
    own = ("tmp", "proc", "sys", "dev", "run", "etc/hosts", "etc/resolv.conf")
    found = []
    for folder, names, files in os.walk(root):
        place = Path(folder).relative_to(root)
        names[:] = [name for name in names if not str(place / name).startswith(own)]
        for name in files:
            path = place / name
            full = root / path
            if not str(path).startswith(own) and not full.is_symlink() and full.lstat().st_mtime > since:
                found.append(str(path))
    return found
