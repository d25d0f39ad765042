"""How an instance becomes a Firewalker process: the shell script that it runs once, at its first start. Plain Python.

The container runtime and the image come first, then the secrets as files in memory, then the migrations, then the process.
CloudFormation is told how it went, so that a version that does not start replaces nothing.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firewalker_aws.plan import RDS_AUTHORITIES, REDIS_URL_FILE, SECRETS, START_WITHIN_S, metrics_ports

if TYPE_CHECKING:
    from collections.abc import Mapping

INTERPRETER = "#!/bin/bash"

UID = 10_001
"""Of the image's user, who alone can read the secrets."""

MIGRATE_WITHIN_S = START_WITHIN_S - 60
"""systemd counts what runs before the process too; a minute is left to fetch the image and to get healthy."""

AUTHORITIES_URL = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"


@dataclass(frozen=True)
class Machine:
    """What the script needs to know of one group."""

    group: str
    image: str
    settings: Mapping[str, str]
    workers: int
    region: str
    stack: str
    resource: str
    """Logical id of the Auto Scaling group, which is signalled."""
    log_group: str
    secret: str
    """Of the service's files; empty for the transcoder, which has none."""
    files: tuple[str, ...]
    """What has to be in it."""
    redis_secret: str
    redis_host: str


def script(machine: Machine) -> str:
    """The user data, to be put after `INTERPRETER`."""
    service = machine.group != "transcoder"
    parts = [_HEAD.format(machine=machine), _environment(machine)]
    if service:
        parts.append(_secrets(machine))
    parts.append(_process(machine, migrates=service))
    if machine.group == "step":
        parts.append(_streams(machine))
    parts.append(_TAIL.format(group=machine.group))
    return "\n".join(parts)


_HEAD = """\
set -euo pipefail
told() {{ /opt/aws/bin/cfn-signal -e "$1" --stack '{machine.stack}' --resource '{machine.resource}' --region '{machine.region}'; }}
trap 'told $?' EXIT
dnf install -y docker aws-cfn-bootstrap
systemctl enable --now docker
registry={machine.image}
aws ecr get-login-password --region '{machine.region}' \\
  | docker login --username AWS --password-stdin "${{registry%%/*}}"
docker pull '{machine.image}'
"""


def _environment(machine: Machine) -> str:
    lines = "\n".join(f"{name}={value}" for name, value in sorted(machine.settings.items()))
    return f"cat > /etc/firewalker.env <<'END'\n{lines}\nEND\n"


def _secrets(machine: Machine) -> str:
    names = json.dumps(sorted(machine.files))
    return f"""\
cat > /usr/local/bin/firewalker-secrets <<'END'
#!/usr/bin/python3
# Fetches the secrets, and replaces the files whose content changed; services read them again.
import json, os, pathlib, subprocess, urllib.parse, urllib.request
FOLDER = pathlib.Path("/run/firewalker")

def fetch(name):
    return subprocess.run(
        ["aws", "secretsmanager", "get-secret-value", "--region", "{machine.region}", "--secret-id", name,
         "--query", "SecretString", "--output", "text"], check=True, capture_output=True, text=True).stdout.rstrip("\\n")

files = json.loads(fetch("{machine.secret}"))
missing = set({names}) - set(files)
if missing:
    raise SystemExit(f"the secret lacks {{', '.join(sorted(missing))}}")
password = urllib.parse.quote(fetch("{machine.redis_secret}"), safe="")
files["{REDIS_URL_FILE}"] = f"rediss://:{{password}}@{machine.redis_host}:6379/0"
FOLDER.mkdir(mode=0o700, exist_ok=True)
os.chown(FOLDER, {UID}, {UID})
for name, content in files.items():
    path, new = FOLDER / pathlib.Path(name).name, FOLDER / ".new"
    if path.exists() and path.read_text() == content:
        continue
    new.write_text(content)
    os.chown(new, {UID}, {UID})
    new.chmod(0o400)
    new.replace(path)
authorities = FOLDER / "{RDS_AUTHORITIES}"
if not authorities.exists():
    urllib.request.urlretrieve("{AUTHORITIES_URL}", authorities)
    authorities.chmod(0o444)
END
chmod 755 /usr/local/bin/firewalker-secrets
firewalker-secrets
{_timer("firewalker-secrets", "/usr/local/bin/firewalker-secrets", "5min")}"""


def _process(machine: Machine, *, migrates: bool) -> str:
    module = "transcoder" if machine.group == "transcoder" else f"firewalker.{machine.group}"
    mount = f"-v /run/firewalker:{SECRETS}:ro " if migrates else ""
    run = (
        "/usr/bin/docker run --rm --network host --read-only --tmpfs /tmp:size=256m --cap-drop ALL "
        f"--security-opt no-new-privileges --ulimit nofile=65536 --env-file /etc/firewalker.env {mount}"
        f"--log-driver awslogs --log-opt awslogs-region={machine.region} --log-opt awslogs-group={machine.log_group} "
    )
    before = f"ExecStartPre={run}{machine.image} {module} migrate\n" if migrates else ""
    # Secrets are in memory: after a restart of the machine they are fetched again before anything needs them.
    fetch = "ExecStartPre=/usr/local/bin/firewalker-secrets\n" if migrates else ""
    return f"""\
cat > /etc/systemd/system/firewalker.service <<'END'
[Unit]
Description=Firewalker {machine.group}
After=docker.service network-online.target
Requires=docker.service
[Service]
{fetch}{before}ExecStart={run}--name firewalker {machine.image} {module}
ExecStop=/usr/bin/docker stop --time 60 firewalker
TimeoutStartSec={MIGRATE_WITHIN_S}
TimeoutStopSec=75
Restart=always
RestartSec=2
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable --now firewalker
"""


def _streams(machine: Machine) -> str:
    """Tell CloudWatch each minute how many streams a process has: what the group scales on besides processor."""
    ports = " ".join(map(str, metrics_ports(machine.group, machine.workers)))
    return f"""\
cat > /usr/local/bin/firewalker-streams <<'END'
#!/bin/bash
set -euo pipefail
open=0
for port in {ports}; do
  here=$(curl --fail --silent --max-time 5 "http://127.0.0.1:$port/metrics" \\
    | awk '/^firewalker_grpc_open_streams/ {{ sum += $2 }} END {{ print sum + 0 }}')
  open=$((open + here))
done
aws cloudwatch put-metric-data --region {machine.region} --namespace Firewalker --metric-name StreamsPerProcess \\
  --dimensions Stack={machine.stack},Group={machine.group} --value $((open / {machine.workers}))
END
chmod 755 /usr/local/bin/firewalker-streams
{_timer("firewalker-streams", "/usr/local/bin/firewalker-streams", "1min")}"""


def _timer(name: str, command: str, every: str) -> str:
    return f"""\
printf '[Service]\\nType=oneshot\\nExecStart={shlex.quote(command)}\\n' > /etc/systemd/system/{name}.service
printf '[Timer]\\nOnActiveSec={every}\\nOnUnitActiveSec={every}\\n[Install]\\nWantedBy=timers.target\\n' \\
  > /etc/systemd/system/{name}.timer
systemctl daemon-reload
systemctl enable --now {name}.timer
"""


_TAIL = """\
for _ in $(seq 60); do
  if docker exec firewalker firewalker health {group}; then exit 0; fi
  sleep 5
done
exit 1
"""
