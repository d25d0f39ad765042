"""Writes what is long and regular of the monitoring: Grafana's dashboards, and Prometheus's rules about objectives.

    python deploy/monitoring.py            # writes deploy/grafana/dashboards/*.json and deploy/prometheus/rules/objectives.yml
    python deploy/monitoring.py --check    # fails if they are not what this writes

Needs the standard library alone. What is said here about a metric is explained in `deploy/observability.md`.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

OURS = "DATABASE_UNAVAILABLE|OVERLOADED|DEADLINE_EXCEEDED|SERVICE_UNAVAILABLE|CONTENTION|SESSION_STATE_UNKNOWN"
"""Reasons of refusals that are this side's failure. INTERNAL has none; all others are the caller's affair, or a drain."""

BAD_CALLS = f'firewalker_grpc_calls_total{{method!="unknown",status!~"OK|CANCELLED",reason=~"|{OURS}"}}'
ALL_CALLS = 'firewalker_grpc_calls_total{method!="unknown"}'


@dataclass(frozen=True)
class Objective:
    """What is promised: a share of events that are good, over 30 days. *bad* and *all* are of counters, *by* their labels."""

    name: str
    share: float
    bad: str
    """With ``WINDOW`` where a range belongs."""
    all: str
    by: str = "service"

    def errors(self, window: str) -> str:
        """The share of bad events within *window*. Without a bad one it is 0, not nothing."""
        bad, everything = (text.replace("WINDOW", window) for text in (self.bad, self.all))
        return f"({bad} or 0 * {everything}) / {everything}"


def _counted(name: str, share: float, bad: str, everything: str) -> Objective:
    return Objective(
        name, share, f"sum by (service) (rate({bad}[WINDOW]))", f"sum by (service) (rate({everything}[WINDOW]))"
    )


def _within(name: str, share: float, histogram: str, limit: str) -> Objective:
    every = f"sum by (service) (rate({histogram}_count[WINDOW]))"
    good = f'sum by (service) (rate({histogram}_bucket{{le="{limit}"}}[WINDOW]))'
    return Objective(name, share, f"({every} - {good})", every)


OBJECTIVES = (
    _counted("calls", 0.999, BAD_CALLS, ALL_CALLS),
    _counted("rest", 0.999, 'transcoder_requests_total{status=~"5.."}', "transcoder_requests_total"),
    _within("latency", 0.99, "firewalker_grpc_call_seconds", "0.3"),
    _within("acknowledgements", 0.99, "firewalker_step_acknowledge_seconds", "0.1"),
    _within("boards", 0.99, "firewalker_step_board_wait_seconds", "1.5"),
    _within("pushes", 0.99, "firewalker_delivery_delay_seconds", "60.0"),
    _within("revocations", 0.999, "firewalker_revocation_lag_seconds", "1.0"),
)
"""`deploy/observability.md` states them in words."""

BURNS = (
    ("ErrorBudgetBurnsFast", 14.4, "1h", "5m", "2m", "page", "2 % of the budget of 30 days an hour"),
    ("ErrorBudgetBurns", 6, "6h", "30m", "15m", "page", "5 % of the budget of 30 days in six hours"),
    ("ErrorBudgetBurnsSlowly", 3, "1d", "2h", "1h", "ticket", "10 % of the budget of 30 days a day"),
    ("ErrorBudgetLeaks", 1, "3d", "6h", "3h", "ticket", "the budget of 30 days is used up in 30 days"),
)
"""Alerts by name: times the budget's even pace, over a long and a short window at once (Google's SRE workbook, chapter 5)."""


def rules() -> str:
    """The recording rules of the objectives and the alerts on how fast their budgets burn."""
    windows = sorted({window for _, _, long, short, *_ in BURNS for window in (long, short)}, key=_minutes)
    lines = [
        "# Written by deploy/monitoring.py; the objectives stand there.",
        "groups:",
        "  - name: objectives",
        "    rules:",
    ]
    for objective in OBJECTIVES:
        lines += _rule("record: slo:budget:ratio", f"vector({1 - objective.share:.4g})", objective.name)
        for window in windows:
            lines += _rule(f"record: slo:errors:ratio_rate{window}", objective.errors(window), objective.name)
    lines += ["  - name: error budgets", "    rules:"]
    for name, times, long, short, held, severity, meaning in BURNS:
        both = " and ".join(
            f"(slo:errors:ratio_rate{window} > on (slo) group_left () {times} * slo:budget:ratio)"
            for window in (long, short)
        )
        lines += [
            f"      - alert: {name}",
            f"        expr: {both}",
            f"        for: {held}",
            f"        labels: {{severity: {severity}}}",
            "        annotations:",
            f'          summary: "{{{{ $labels.slo }}}} of {{{{ $labels.service }}}}: {meaning}"',
            f"          runbook: deploy/observability.md#{name.lower()}",
        ]
    return "\n".join(lines) + "\n"


def _rule(head: str, expression: str, objective: str) -> list[str]:
    return [f"      - {head}", f"        expr: {expression}", f"        labels: {{slo: {objective}}}"]


def _minutes(window: str) -> int:
    return int(window[:-1]) * {"m": 1, "h": 60, "d": 1440}[window[-1]]


@dataclass(frozen=True)
class Panel:
    """One graph: expressions and what their lines are called. *unit* is one of Grafana's."""

    title: str
    unit: str
    lines: Sequence[tuple[str, str]]


def _rate(selector: str, by: str = "service") -> str:
    return f"sum by ({by}) (rate({selector}[$__rate_interval]))"


def _quantiles(histogram: str, by: str = "service", *, shares: Sequence[float] = (0.5, 0.99)) -> list[tuple[str, str]]:
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    return [
        (
            f"histogram_quantile({share}, sum by (le, {by}) (rate({histogram}_bucket[$__rate_interval])))",
            f"p{share * 100:.0f} {legend}",
        )
        for share in shares
    ]


def _rates(*counters: str, by: str = "service") -> list[tuple[str, str]]:
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    return [
        (_rate(counter, by), f"{_short(counter)} {legend}" if len(counters) > 1 else legend) for counter in counters
    ]


def _short(metric: str) -> str:
    return metric.removeprefix("firewalker_").removeprefix("step_").removesuffix("_total").replace("_", " ")


def _most(gauge: str, by: str = "service") -> tuple[str, str]:
    """For what every process tells of the same thing: any of them is right, the highest is the latest alarm."""
    return f"max by ({by}) ({gauge})", " ".join(f"{{{{{label}}}}}" for label in by.split(", "))


DASHBOARDS = {
    "overview": ("Firewalker: overview", [
        Panel("Error budgets: how many times their even pace they burn (1 h)", "none", [
            ("slo:errors:ratio_rate1h / on (slo) group_left () slo:budget:ratio", "{{slo}} {{service}}"),
        ]),
        Panel("Processes that answer", "none", [("sum by (service) (up)", "{{service}}")]),
        Panel("Calls", "reqps", _rates("firewalker_grpc_calls_total")),
        Panel("Failed calls, of all", "percentunit", [
            (f"({_rate(BAD_CALLS)} or 0 * {_rate(ALL_CALLS)}) / {_rate(ALL_CALLS)}", "{{service}}"),
        ]),
        Panel("Calls by status and reason", "reqps", _rates("firewalker_grpc_calls_total", by="status, reason")),
        Panel("Duration of unary calls", "s", _quantiles("firewalker_grpc_call_seconds")),
        Panel("Slowest methods, p99", "s", [(
            "topk(10, histogram_quantile(0.99, sum by (le, method) (rate(firewalker_grpc_call_seconds_bucket[$__rate_interval]))))",
            "{{method}}",
        )]),
        Panel("Busiest methods", "reqps", [(f"topk(10, {_rate('firewalker_grpc_calls_total', 'method')})", "{{method}}")]),
        Panel("REST requests by status", "reqps", _rates("transcoder_requests_total", by="status")),
        Panel("Duration of REST requests", "s", _quantiles("transcoder_request_seconds")),
        Panel("Open streams", "none", [
            ("sum by (method) (firewalker_grpc_open_streams)", "{{method}}"), ("sum(transcoder_open_streams)", "through REST"),
        ]),
        Panel("Processors", "percentunit", [("rate(process_cpu_seconds_total[$__rate_interval])", "{{service}} {{instance}}")]),
        Panel("Memory", "bytes", [("process_resident_memory_bytes", "{{service}} {{instance}}")]),
        Panel("Open files, of those allowed", "percentunit", [
            ("process_open_fds / process_max_fds", "{{service}} {{instance}}"),
        ]),
        Panel("Event loop: latest timer", "s", [("firewalker_event_loop_lag_seconds", "{{service}} {{instance}}")]),
        Panel("Event loop: turns that computed for 20 ms", "reqps", _rates("firewalker_event_loop_long_turns_total") + _rates("transcoder_event_loop_long_turns_total")),
        Panel("Event loop: longest turn so far", "s", [
            ("firewalker_event_loop_longest_turn_seconds", "{{service}} {{instance}}"),
            ("transcoder_event_loop_longest_turn_seconds", "{{service}} {{instance}}"),
        ]),
        Panel("Starts of processes in the last hour", "none", [
            ("sum by (service) (changes(process_start_time_seconds[1h]))", "{{service}}"),
        ]),
    ]),
    "steps": ("Firewalker: steps and boards", [
        Panel("Readings made durable", "reqps", _rates("firewalker_step_readings_total")),
        Panel("Acknowledgement, from a group's oldest message", "s", _quantiles("firewalker_step_acknowledge_seconds")),
        Panel("Group commit", "s", _quantiles("firewalker_step_commit_seconds")),
        Panel("Readings in a group", "none", _quantiles("firewalker_step_group_readings")),
        Panel("Readings that wait for a group", "none", [("sum by (service) (firewalker_step_readings_waiting)", "{{service}}")]),
        Panel("Groups refused whole", "reqps", _rates("firewalker_step_groups_failed_total")),
        Panel("Who watches", "none", [
            ("sum(firewalker_step_board_watchers)", "streams"), ("sum(firewalker_step_boards)", "boards"),
        ]),
        Panel("Frames of boards", "reqps", _rates("firewalker_step_board_frames_total")),
        Panel("From a change to its frame", "s", _quantiles("firewalker_step_board_wait_seconds")),
        Panel("Processes that hear of every total", "none", [("sum(firewalker_step_live_feed_connected)", "connected")]),
        Panel("Redis against MySQL", "none", _rates(
            "firewalker_step_live_rebuilds_total", "firewalker_step_live_drift_total",
        )),
        Panel("Overtakes", "reqps", _rates("firewalker_step_overtakes_total", "firewalker_step_overtakes_unseen_total")),
        Panel("Overtakes in the making", "none", [("sum(firewalker_step_pursuits)", "pursuits")]),
        Panel("Goals reached", "reqps", _rates("firewalker_step_goals_reached_total")),
        Panel("Pictures", "reqps", _rates(
            "firewalker_step_picture_seconds_count", "firewalker_step_pictures_kept_total", "firewalker_step_pictures_failed_total",
        )),
        Panel("Drawing a picture", "s", _quantiles("firewalker_step_picture_seconds")),
    ]),
    "news": ("Firewalker: events and pushes", [
        Panel("Outbox: events to be delivered", "none", [_most("firewalker_outbox_waiting", "service, destination")]),
        Panel("Outbox: age of the oldest", "s", [_most("firewalker_outbox_oldest_seconds", "service, destination")]),
        Panel("Outbox: delivered", "reqps", _rates("firewalker_outbox_delivered_total", by="service, destination")),
        Panel("Outbox: refused, and deliveries that failed", "reqps", _rates(
            "firewalker_outbox_refused_total", "firewalker_outbox_trouble_total", by="service, destination",
        )),
        Panel("Outbox: set aside", "none", [_most("firewalker_outbox_set_aside", "service, destination")]),
        Panel("Outbox: age of the oldest set aside", "s", [
            _most("firewalker_outbox_set_aside_oldest_seconds", "service, destination"),
        ]),
        Panel("Outbox: set aside and dropped", "reqps", _rates("firewalker_outbox_dropped_total", by="service, destination, why")),
        Panel("Pushes planned, by outcome", "reqps", _rates("firewalker_pushes_planned_total", by="outcome")),
        Panel("Push queue: what is due", "none", [_most("firewalker_push_queue_due", "stage, lane")]),
        Panel("Push queue: how long the first waits", "s", [_most("firewalker_push_queue_age_seconds", "stage, lane")]),
        Panel("Push queue: news of standings is dropped", "none", [_most("firewalker_push_queue_crowded")]),
        Panel("Deliveries, by outcome", "reqps", _rates("firewalker_deliveries_total", by="outcome")),
        Panel("From queued to accepted", "s", _quantiles("firewalker_delivery_delay_seconds")),
        Panel("Attempts of an accepted delivery", "none", _quantiles("firewalker_delivery_attempts")),
        Panel("Answers of FCM", "reqps", _rates("firewalker_fcm_answers_total", by="kind, code")),
        Panel("FCM's answering", "s", _quantiles("firewalker_fcm_answer_seconds")),
        Panel("Messages without an answer yet", "none", [("sum(firewalker_fcm_messages_in_flight)", "messages")]),
        Panel("Breakers that are open", "none", [_most("firewalker_fcm_breaker_open", "what")]),
        Panel("Access tokens of Google", "reqps", _rates("firewalker_fcm_token_requests_total", by="outcome")),
        Panel("Pruning halted", "none", [_most("firewalker_pruning_halted")]),
        Panel("Mails", "reqps", _rates("firewalker_user_mails_total", by="kind, outcome")),
    ]),
    "ground": ("Firewalker: databases, sessions, admission", [
        Panel("MySQL: connections", "none", [("sum by (service, state) (firewalker_mysql_connections)", "{{service}} {{state}}")]),
        Panel("MySQL: statements", "s", _quantiles("firewalker_mysql_statement_seconds")),
        Panel("MySQL: commits", "s", _quantiles("firewalker_mysql_commit_seconds")),
        Panel("MySQL: statements a second", "reqps", _rates("firewalker_mysql_statement_seconds_count")),
        Panel("MySQL: wait for a connection, p99", "s", _quantiles("firewalker_mysql_acquire_seconds", shares=(0.99,))),
        Panel("MySQL: callers without a connection", "reqps", _rates("firewalker_mysql_acquire_refused_total", by="service, cause")),
        Panel("MySQL: connections lost and not opened", "reqps", _rates(
            "firewalker_mysql_connections_dropped_total", "firewalker_mysql_connect_failures_total",
        )),
        Panel("MySQL: transactions run again", "reqps", _rates("firewalker_mysql_transaction_repeats_total", by="service, cause")),
        Panel("Redis: calls", "s", _quantiles("firewalker_redis_call_seconds")),
        Panel("Redis: failures", "reqps", _rates("firewalker_redis_call_failures_total", by="service, cause")),
        Panel("Ended sessions: until a process knew", "s", _quantiles("firewalker_revocation_lag_seconds")),
        Panel("Ended sessions: silence", "s", [_most("firewalker_revocation_silence_seconds", "service, instance")]),
        Panel("Ended sessions: processes that do not hear", "none", [("sum by (service) (firewalker_revocation_view_stale)", "{{service}}")]),
        Panel("Erasures: how long ago the first was deleted who is not erased", "s", [_most("firewalker_erasure_oldest_seconds")]),
        Panel("Chores, by outcome", "reqps", _rates("firewalker_chore_rounds_total", by="service, chore, outcome")),
        Panel("Calls judged without hearing", "reqps", _rates("firewalker_revocation_stale_decisions_total", by="decision")),
        Panel("Calls under way, waiting, and places", "none", [
            ("sum by (service) (firewalker_grpc_running)", "running {{service}}"),
            ("sum by (service) (firewalker_grpc_waiting)", "waiting {{service}}"),
            ("sum by (service) (firewalker_grpc_concurrency_limit)", "places {{service}}"),
        ]),
        Panel("Calls told to come back", "reqps", _rates("firewalker_grpc_overload_refusals_total", by="service, priority")),
        Panel("Connections, by event", "reqps", _rates("firewalker_grpc_connections_total", by="service, event")),
        Panel("Rates counted without Redis", "reqps", _rates("firewalker_rate_limits_counted_here_total")),
        Panel("Password lane: wait", "s", _quantiles("firewalker_user_password_wait_seconds")),
        Panel("Password lane: refused", "reqps", _rates("firewalker_user_password_refused_total", by="cause")),
        Panel("Python: full collections", "reqps", _rates('python_gc_collections_total{generation="2"}')),
    ]),
}  # fmt: skip


def dashboard(name: str, title: str, panels: Sequence[Panel]) -> str:
    """Grafana's JSON of one dashboard: two graphs beside each other, in the order given."""
    source = {"type": "prometheus", "uid": "${datasource}"}
    made: list[dict[str, Any]] = []
    for number, panel in enumerate(panels):
        targets = [
            {"refId": chr(ord("A") + place), "datasource": source, "expr": expression, "legendFormat": legend.strip()}
            for place, (expression, legend) in enumerate(panel.lines)
        ]
        made.append(
            {
                "id": number + 1,
                "type": "timeseries",
                "title": panel.title,
                "datasource": source,
                "gridPos": {"h": 8, "w": 12, "x": number % 2 * 12, "y": number // 2 * 8},
                "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
                "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
                "targets": targets,
            }
        )
    whole = {
        "uid": f"firewalker-{name}",
        "title": title,
        "tags": ["firewalker"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}]
        },
        "panels": made,
    }
    return json.dumps(whole, indent=1) + "\n"


def files() -> Iterator[tuple[Path, str]]:
    """Every file that is written, and its content."""
    yield HERE / "prometheus" / "rules" / "objectives.yml", rules()
    for name, (title, panels) in DASHBOARDS.items():
        yield HERE / "grafana" / "dashboards" / f"{name}.json", dashboard(name, title, panels)


def main() -> int:
    """Write, or compare; 1 if something differs."""
    stale = [path for path, content in files() if not path.exists() or path.read_text() != content]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(HERE.parent)} is not what deploy/monitoring.py writes", file=sys.stderr)
        return int(bool(stale))
    for path, content in files():
        path.write_text(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
