"""Whether the monitoring shows something: promtool on configuration, rules and their cases; then the whole product with
people in it, scraped by a real Prometheus, which is asked every expression of every dashboard and every recording rule.

    python -m tests.observability [--within 90]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from firewalker.local.backend import Backend
from firewalker.local.layout import Layout
from firewalker.local.secrets import SERVICES
from tests.observability.life import SETTINGS, people_at_it
from tests.observability.prometheus import DEPLOY, Prometheus, check_files, lint_metrics, scraping

RATE_INTERVAL = "30s"
"""What Grafana puts in for ``$__rate_interval`` at this pace of scraping is 4 s; longer, so that rare things count."""

Question = tuple[str, str]
"""Where it stands, and the expression."""


def questions() -> list[Question]:
    """Every expression of every dashboard."""
    found = []
    for path in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            found += [(f"{path.stem}: {panel['title']}", target["expr"]) for target in panel["targets"]]
    return found


async def unanswered(prometheus: Prometheus, asked: list[Question]) -> list[Question]:
    """Those of *asked* to which there is no series."""
    return [
        (where, expression)
        for where, expression in asked
        if not await prometheus.ask(expression.replace("$__rate_interval", RATE_INTERVAL))
    ]


async def broken_rules(prometheus: Prometheus) -> list[Question]:
    """Rules that fail, and recording rules that record nothing."""
    wrong = []
    for rule in await prometheus.rules():
        if rule["health"] != "ok":
            wrong.append((f"rule {rule['name']} is {rule['health']} {rule.get('lastError', '')}", rule["query"]))
        elif rule["type"] == "recording" and not await prometheus.ask(_selector(rule)):
            wrong.append((f"rule {rule['name']} of {rule['labels']}", rule["query"]))
    return wrong


def _selector(rule: dict[str, object]) -> str:
    labels = rule["labels"]
    assert isinstance(labels, dict)
    return f"{rule['name']}{{{','.join(f'{name}={json.dumps(value)}' for name, value in labels.items())}}}"


async def run(within_s: float) -> bool:
    """Whether everything is shown within *within_s* of the first life."""
    console = Console()
    complaints = await asyncio.to_thread(check_files)
    for complaint in complaints:
        console.print(complaint)
    asked = questions()
    with tempfile.TemporaryDirectory(prefix="fw-obs-") as name:
        folder = Path(name)
        async with (
            Backend.start(folder / "backend", settings=SETTINGS, environment=_plain()) as backend,
            scraping(backend, folder) as prometheus,
            people_at_it(backend),
        ):
            began = time.monotonic()
            missing, wrong = asked, list[Question]()
            while (missing or wrong) and time.monotonic() - began < within_s:
                await asyncio.sleep(2)
                missing = await unanswered(prometheus, missing)
                wrong = await broken_rules(prometheus)
            took_s = time.monotonic() - began
            firing = [rule["name"] for rule in await prometheus.rules() if rule.get("state") == "firing"]
            for service in (*SERVICES, "transcoder"):
                async with httpx.AsyncClient() as client:
                    text = (await client.get(f"http://{backend.address(service, 'METRICS_PORT')}/metrics")).text
                if complaint := await asyncio.to_thread(lint_metrics, text):
                    complaints.append(complaint)
                    console.print(f"{service}: {complaint}")
    table = Table(title="Expressions without an answer")
    table.add_column("where")
    table.add_column("expression", overflow="fold")
    for where, expression in [*missing, *wrong]:
        table.add_row(where, expression)
    if missing or wrong:
        console.print(table)
    console.print(
        f"{len(asked) - len(missing)} of {len(asked)} expressions of dashboards answered, {len(wrong)} rules empty or broken, "
        f"after {took_s:.0f} s; alerts firing: {', '.join(firing) or 'none'}"
    )
    return not (complaints or missing or wrong or firing)


def _plain() -> dict[str, str]:
    """The environment, less what would lead to servers of somebody's own; packages stay where they are."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FIREWALKER_")}
    return {**kept, "FIREWALKER_LOCAL_DIR": str(Layout.of(os.environ).root)}


def main() -> int:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--within", type=float, default=90, help="seconds until all has to be shown (default 90)")
    return int(not asyncio.run(run(parser.parse_args().within)))


if __name__ == "__main__":
    sys.exit(main())
