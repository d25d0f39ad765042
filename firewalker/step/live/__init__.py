"""Live totals: what every user has walked on the open dates, in Redis, and the frames that tell of changes.

All of it is derived: MySQL is the truth, and whatever is lost here is rebuilt from there. Boards and their watchers
are not here.
"""

from firewalker.step.domain.day import UserTotal
from firewalker.step.live.frames import Frame
from firewalker.step.live.totals import LiveTotals

__all__ = ["Frame", "LiveTotals", "UserTotal"]
