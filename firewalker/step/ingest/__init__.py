"""Ingest: readings of all streams of this process, merged and committed in groups. Which readings are good is judged before."""

from firewalker.step.ingest.group import Recorded
from firewalker.step.ingest.lanes import Ingest

__all__ = ["Ingest", "Recorded"]
