"""Debian's Prometheus and promtool, unpacked without root, and a server of it that scrapes one backend."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from firewalker.local import packages
from firewalker.local.backend import Backend
from firewalker.local.layout import Layout
from firewalker.local.ports import HOST
from firewalker.local.secrets import SERVICES

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
FOLDER = DEPLOY / "prometheus"
EVERY_S = 1


def binary(name: str) -> Path:
    """`prometheus` or `promtool`; unpacked if this is the first time."""
    root = packages.unpack(
        Layout.of(os.environ).root / "prometheus", lambda said: print(said, flush=True), packages.PROMETHEUS
    )
    return root / "usr" / "bin" / name


def check_files() -> list[str]:
    """What promtool has against configuration, rules and dashboards' words, and which cases fail; empty if nothing."""
    promtool = binary("promtool")
    cases = sorted(path.name for path in (FOLDER / "tests").glob("*.yml"))
    complaints = []
    for command, folder in (
        (["check", "config", "prometheus.yml"], FOLDER),
        (["test", "rules", *cases], FOLDER / "tests"),
    ):
        done = subprocess.run([promtool, *command], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            complaints.append(f"promtool {' '.join(command)}:\n{done.stdout}{done.stderr}")
    return complaints


def lint_metrics(text: str) -> str:
    """What promtool says of a process's metrics; empty if nothing."""
    done = subprocess.run(
        [binary("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    return (done.stdout + done.stderr) if done.returncode else ""


class Prometheus:
    """A server that runs."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def ask(self, expression: str) -> list[dict[str, Any]]:
        """The value of *expression* now, as a vector."""
        answer = await self._get("/api/v1/query", {"query": expression})
        assert answer["resultType"] == "vector", expression
        found: list[dict[str, Any]] = answer["result"]
        return found

    async def rules(self) -> list[dict[str, Any]]:
        """All rules, with what their last evaluation said."""
        return [rule for group in (await self._get("/api/v1/rules", {}))["groups"] for rule in group["rules"]]

    async def _get(self, path: str, asked: Mapping[str, str]) -> Any:
        answer = (await self._client.get(path, params=asked)).json()
        assert answer["status"] == "success", (asked, answer)
        return answer["data"]


@asynccontextmanager
async def scraping(backend: Backend, folder: Path) -> AsyncIterator[Prometheus]:
    """A server with the rules of the deployment that scrapes *backend* every second."""
    targets = [
        {"targets": [backend.address(name, "METRICS_PORT")], "labels": {"service": name}}
        for name in (*SERVICES, "transcoder")
    ]
    (folder / "targets.json").write_text(json.dumps(targets))
    # JSON is YAML.
    told = {
        "global": {"scrape_interval": f"{EVERY_S}s", "evaluation_interval": f"{EVERY_S}s"},
        "rule_files": [str(FOLDER / "rules" / "*.yml")],
        "scrape_configs": [{"job_name": "firewalker", "file_sd_configs": [{"files": [str(folder / "targets.json")]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(told))
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    with (folder / "prometheus.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            binary("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={HOST}:{port}",
            stdout=log,
            stderr=log,
        )
    try:
        async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=10) as client:
            await _ready(client, process)
            yield Prometheus(client)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(client: httpx.AsyncClient, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(30):
        while True:
            assert process.returncode is None, "Prometheus ended; see prometheus.log"
            try:
                if (await client.get("/-/ready")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
