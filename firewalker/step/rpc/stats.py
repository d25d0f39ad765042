"""StatsService: numbers of days, weeks, months and years. A hot door, because a year is 366 points: upb messages throughout."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

from firewalker.kernel.principal import principal
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.runtime.grpc.rates import READS
from firewalker.step.rpc.asked import Asked
from firewalker.step.usecases.charts import Charts
from firewalker.step.usecases.group_stats import GroupStats, StatsOfGroups
from firewalker.step.usecases.stats import MyStats, Stats

_READ: Final = Rule(Caller.USER, max_message_bytes=1_024, priority=Priority.READ, rate=READS)
_DRAWN: Final = replace(_READ, deadline_s=10.0)
"""The first picture for a while waits for the process that draws to start, which takes a busy machine seconds. Over REST no
call takes longer."""

_CONTENT_TYPES: Final = {"svg": "image/svg+xml", "png": "image/png"}

_MyStats = message_class("firewalker.step.v1.GetMyStatsResponse")
_MyChart = message_class("firewalker.step.v1.GetMyChartResponse")
_GroupStats = message_class("firewalker.step.v1.GetGroupStatsResponse")
_GroupChart = message_class("firewalker.step.v1.GetGroupChartResponse")


class StatsDoor:
    """The door of StatsService."""

    SERVICE: ClassVar[str] = "firewalker.step.v1.StatsService"
    POLICY: ClassVar[Mapping[str, Rule]] = {
        "GetMyStats": _READ,
        "GetMyChart": _DRAWN,
        "GetGroupStats": _READ,
        "GetGroupChart": _DRAWN,
    }

    def __init__(self, stats: Stats, of_groups: StatsOfGroups, charts: Charts) -> None:
        self._stats = stats
        self._of_groups = of_groups
        self._charts = charts

    async def get_my_stats(self, request: Any) -> bytes:
        """See the proto."""
        asked = Asked(request)
        period, day = asked.period(), asked.date()
        asked.ensure_valid()
        return _my_stats(await self._stats.mine(principal().user_id, period, day))

    async def get_my_chart(self, request: Any) -> bytes:
        """See the proto."""
        asked = Asked(request)
        period, day, style = asked.period(), asked.date(), asked.style()
        asked.ensure_valid()
        answer = _MyChart()
        answer.picture.content_type = _CONTENT_TYPES[style.format]
        answer.picture.data = await self._charts.mine(principal().user_id, period, day, style)
        return bytes(answer.SerializeToString())

    async def get_group_stats(self, request: Any) -> bytes:
        """See the proto."""
        asked = Asked(request)
        group_id, period, day = asked.group_id(), asked.period(), asked.date()
        asked.ensure_valid()
        return _group_stats(await self._of_groups.of(principal().user_id, group_id, period, day))

    async def get_group_chart(self, request: Any) -> bytes:
        """See the proto."""
        asked = Asked(request)
        group_id, period, day, style = asked.group_id(), asked.period(), asked.date(), asked.style()
        asked.ensure_valid()
        answer = _GroupChart()
        answer.picture.content_type = _CONTENT_TYPES[style.format]
        answer.picture.data = await self._charts.of_group(principal().user_id, group_id, period, day, style=style)
        return bytes(answer.SerializeToString())


def _my_stats(found: MyStats) -> bytes:
    answer = _MyStats()
    stats = answer.stats
    stats.period = found.period
    stats.start_date, stats.end_date = found.span.first.isoformat(), found.span.last.isoformat()
    add = stats.series.add
    for day, hour, value, has_data, goal, goal_reached in found.series:
        point = add()
        point.date = day.isoformat()
        if hour >= 0:
            point.hour = hour
        point.value = value
        point.has_data = has_data
        point.goal = goal
        point.goal_reached = goal_reached
    stats.total, stats.average, stats.days_with_data, best = found.summary
    if best is not None:
        stats.best_day.steps, stats.best_day.date = best[0], best[1].isoformat()
    stats.streaks.current, stats.streaks.longest = found.streaks
    previous = stats.previous
    previous.start_date, previous.end_date = found.before.first.isoformat(), found.before.last.isoformat()
    previous.total, previous.average, previous.days_with_data, _ = found.summary_before
    if found.change_percent is not None:
        previous.change_percent = found.change_percent
    stats.friends.median, stats.friends.count = found.friends.median, found.friends.count
    return bytes(answer.SerializeToString())


def _group_stats(found: GroupStats) -> bytes:
    answer = _GroupStats()
    stats, circle, numbers = answer.stats, found.circle, found.numbers
    stats.period = circle.period
    stats.start_date, stats.end_date = circle.span.first.isoformat(), circle.span.last.isoformat()
    dates = [day.isoformat() for day in found.axis]
    for one in numbers.members:
        member = stats.members.add()
        person = one.person
        member.user_id, member.nickname, member.avatar_url = person.text_id, person.nickname, person.avatar_url
        member.me = person is circle.me
        member.hidden = not one.seen
        if one.seen:
            for day, cell in zip(dates, one.cells, strict=True):
                member.series.add(date=day, value=cell.steps if cell else 0, has_data=cell is not None)
            member.total, member.average, member.days_with_data = one.total, one.average, one.days
    for day, total in zip(dates, numbers.sums, strict=True):
        stats.sums.add(date=day, value=total.total, has_data=total.active > 0)
    stats.total, stats.active_members, stats.mean_per_active_member = numbers.total, numbers.active, numbers.mean
    if numbers.distribution is not None:
        shape = stats.distribution
        shape.least, shape.lower_quartile, shape.median, shape.upper_quartile, shape.most = numbers.distribution
    return bytes(answer.SerializeToString())
