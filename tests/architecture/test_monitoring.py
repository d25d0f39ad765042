"""Dashboards and alerts speak of metrics that there are; what is written by a program is as it writes it."""

import importlib
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.utils import floatToGoString

from firewalker.runtime.grpc.measures import CallMeasures
from firewalker.runtime.metrics import REGISTRY
from transcoder.metrics import Metrics

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
RULES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
CASES = sorted((DEPLOY / "prometheus" / "tests").glob("*.yml"))

_METRIC = re.compile(r"\b(?:firewalker|transcoder|process|python)_[a-z][a-z0-9_]*\b")
_ALERT = re.compile(r"- alert: (\w+)")
_BUCKET = re.compile(r'\b(\w+)_bucket{le="([^"]*)"}')
_EXPRESSION = re.compile(r'"?\b(?:expr|series)"?: (.*)')


def registries() -> tuple[CollectorRegistry, CollectorRegistry]:
    """The backend's, with what every service registers, and the transcoder's."""
    for service in ("user", "step", "notification"):
        importlib.import_module(f"firewalker.{service}.app")
    return REGISTRY, Metrics().registry


def shown() -> dict[str, str]:
    """Every series name that a process of the product shows, and the family it belongs to."""
    names: dict[str, str] = {}
    for registry in registries():
        for family in registry.collect():
            ends = {
                "counter": ("_total",),
                "histogram": ("_bucket", "_count", "_sum"),
                "gauge": ("",),
            }
            names |= {family.name + end: family.name for end in ends[family.type]}
    return names


def bounds() -> dict[str, set[str]]:
    """The bounds of every histogram's buckets, as they are written. A labelled one shows none before there is a call."""
    found: dict[str, set[str]] = {}
    for registry in registries():
        for collector in registry._collector_to_names:
            if isinstance(collector, Histogram):
                found[collector._name] = set(map(floatToGoString, collector._upper_bounds))
    calls = CallMeasures()
    calls.ended("/a/B", "OK", "", 0.1)
    for family in calls.collect():
        if family.type == "histogram":
            found[family.name] = {sample.labels["le"] for sample in family.samples if "le" in sample.labels}
    return found


def labels_of(collector: Any) -> set[str]:
    """The names of the labels of what *collector* shows, also where there is nothing with labels to show yet."""
    sources = [collector] if hasattr(collector, "_labelnames") else collector.collect()
    return {label for source in sources for label in source._labelnames}


def spoken_of(path: Path) -> set[str]:
    return {name for found in _EXPRESSION.findall(path.read_text()) for name in _METRIC.findall(found)}


@pytest.mark.parametrize("path", [*DASHBOARDS, *RULES, *CASES], ids=lambda path: path.name)
def test_every_metric_of_a_dashboard_or_rule_exists(path: Path) -> None:
    named = spoken_of(path)
    assert named
    assert named - shown().keys() == set()


def test_an_objective_counts_up_to_a_bound_that_its_histogram_has() -> None:
    # Without that bucket nothing is good and nothing bad: the objective would be met for ever.
    named = [
        (histogram, bound)
        for objective in runpy.run_path(str(DEPLOY / "monitoring.py"))["OBJECTIVES"]
        for histogram, bound in _BUCKET.findall(objective.errors("5m"))
    ]
    assert named
    there = bounds()
    assert [(histogram, bound) for histogram, bound in named if bound not in there[histogram]] == []


def test_every_metric_of_the_product_is_shown_or_alerted_on() -> None:
    told = set.union(*(spoken_of(path) for path in [*DASHBOARDS, *RULES]))
    ours = {name: family for name, family in shown().items() if name.startswith(("firewalker_", "transcoder_"))}
    families = {ours[name] for name in told if name in ours}
    # Damage that is passed over; each has a line in the log, and numbers of it are looked for when one is seen.
    silent = {family for family in ours.values() if "unreadable" in family} | {"firewalker_registrations_pruned"}
    assert set(ours.values()) - families - silent == set()


def test_names_have_units_and_labels_are_few() -> None:
    forbidden = {"user_id", "session_id", "request_id", "device_id", "address", "email"}
    for registry in registries():
        for family in registry.collect():
            if family.type == "histogram" and family.name.startswith(("firewalker_", "transcoder_")):
                counts = {"firewalker_delivery_attempts", "firewalker_step_group_readings"}
                assert family.name.endswith("_seconds") or family.name in counts, family.name
            assert family.documentation.endswith(".") or family.name.startswith("python_"), family.name
            assert not any(forbidden & sample.labels.keys() for sample in family.samples)
    labels = {label for registry in registries() for each in registry._collector_to_names for label in labels_of(each)}
    assert {"cause", "destination", "method", "rpc", "state"} <= labels  # of metrics without a sample so far, too
    assert labels & forbidden == set()


def test_every_alert_has_a_case_that_sets_it_off_and_a_word_on_what_to_do() -> None:
    alerts = [alert for path in RULES for alert in _ALERT.findall(path.read_text())]
    assert len(alerts) == len(set(alerts))
    cases = "\n".join(path.read_text() for path in CASES)
    advice = (DEPLOY / "observability.md").read_text()
    for alert in alerts:
        assert re.search(rf"alertname: {alert}\n\s+exp_alerts:\n\s+- ", cases), alert
        assert f"### {alert}\n" in advice, alert


def test_what_a_program_writes_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, DEPLOY / "monitoring.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
