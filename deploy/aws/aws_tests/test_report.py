"""The table of costs and the diagram are what the templates say."""

from __future__ import annotations

from pathlib import Path

from aws_tests.conftest import Synthesised
from firewalker_aws.report import diagram, rows, table

HERE = Path(__file__).parents[1]


def test_the_committed_reports_are_fresh(dev: Synthesised, prod: Synthesised) -> None:
    assert (HERE / "costs.md").read_text() == table({"dev": dev.template, "prod": prod.template}), "make aws-reports"
    assert (HERE / "diagram.md").read_text() == diagram(prod.template), "make aws-reports"


def test_every_machine_of_the_template_is_paid_for(prod: Synthesised) -> None:
    paid = {what.partition(":")[0]: count for what, count, _ in rows(prod.template)}
    expected = {
        "user": 2,
        "step": 2,
        "notification": 2,
        "transcoder": 2,
        "bastion": 1,
        "MySQL": 1,
        "replica": 1,
        "Redis": 2,
    }
    assert paid.items() >= expected.items()
