"""Refusals of the step service that are its own. Verdicts on single readings are no faults: see `reading.Outcome`."""

from firewalker.kernel.faults import Fault, Kind


class TooManyReadings(Fault):
    """More readings than one message may carry."""

    kind = Kind.INVALID
    reason = "TOO_MANY_READINGS"
    message = "Too many readings: at most 100 in a message of TrackSteps, 500 in RecordSteps."


class DateOutOfRange(Fault):
    """A board of a date that cannot be read, or not be watched, now."""

    kind = Kind.OUT_OF_RANGE
    reason = "DATE_OUT_OF_RANGE"
    message = (
        "The date must be at most 1 day after the server's date (UTC), from 2000 on; to watch, at most 7 days before."
    )


class GoalOutOfRange(Fault):
    """A goal that nobody can have."""

    kind = Kind.INVALID
    reason = "GOAL_OUT_OF_RANGE"
    message = "A goal has 100 to 100 000 steps a day."


class StatsDateOutOfRange(Fault):
    """A date that there can be no statistics of."""

    kind = Kind.OUT_OF_RANGE
    reason = "STATS_DATE_OUT_OF_RANGE"
    message = "The date must be from 2000-01-01 to the latest one that has begun anywhere on Earth."


class DayNotFound(Fault):
    """Nothing was counted: such a day is absent, not 0."""

    kind = Kind.NOT_FOUND
    reason = "DAY_NOT_FOUND"
    message = "There is no reading of that date, or none by that device."


class CorrectionLimitReached(Fault):
    """A date was corrected more often than anybody errs."""

    kind = Kind.EXHAUSTED
    reason = "CORRECTION_LIMIT_REACHED"
    message = "The date was corrected 200 times; no more corrections of it are taken."


class PictureUnavailable(Fault):
    """A picture that could not be drawn; the log says why."""

    kind = Kind.UNAVAILABLE
    reason = "PICTURE_UNAVAILABLE"
    message = "The picture cannot be drawn at the moment; try again."
