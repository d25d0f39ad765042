"""Who passes whom: watched by the process that commits the steps, told once, through the outbox.

What counts as passing is decided in `domain.overtake`; whom it is told, and when, by the notification service.
"""

from firewalker.step.overtakes.worker import Overtakes

__all__ = ["Overtakes"]
