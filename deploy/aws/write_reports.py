"""Writes costs.md and diagram.md anew: ``make aws-reports``. The tests fail when they are not what the stack says."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from app import make_app
from firewalker_aws.plan import SIZES
from firewalker_aws.report import diagram, table

HERE = Path(__file__).parent


def main() -> None:
    """Synthesise both environments and write."""
    templates = {}
    for name in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            app, stack = make_app(folder, name)
            app.synth()
            templates[name] = json.loads(Path(folder, f"{stack.stack_name}.template.json").read_text())
    (HERE / "costs.md").write_text(table(templates))
    (HERE / "diagram.md").write_text(diagram(templates["prod"]))


if __name__ == "__main__":
    main()
