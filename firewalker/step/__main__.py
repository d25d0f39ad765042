"""``python -m firewalker.step``: serve, ``migrate``, ``check-config``."""

from firewalker.runtime.process import main
from firewalker.step.app import build
from firewalker.step.config import StepConfig

if __name__ == "__main__":
    main(service="step", config=StepConfig, app=build)
