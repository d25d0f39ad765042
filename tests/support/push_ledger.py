"""Whether every push arrived, none twice without cause, and none too early: the emulator's ledger against what was told."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

from firewalker.emulator.ledger import Record

LEAST_WAIT_S = {
    "unavailable": 10.0, "internal": 10.0, "quota": 60.0, "bad_gateway": 30.0, "empty": 10.0,
}  # fmt: skip
"""How long a sender has to wait after an answer that names no time."""

UNHEARD_WAIT_S = 10.0
"""The same where the answer may have been lost: whoever did not hear it does not know how long to wait."""

HARMLESS = {"", "drip", "refuse-stream", "accept-then-reset"}
"""Faults that no other message on the connection suffers from."""

TOLERANCE_S = 0.5


@dataclass(frozen=True)
class Findings:
    """What is wrong; all empty is right."""

    lost: list[str]
    """Told, and never shown."""
    invented: list[str]
    """Shown, and never told."""
    doubled: list[str]
    """Shown more often than answers were kept back from the sender, or senders killed."""
    early: list[str]
    """Asked again before its time."""
    stacked: list[str]
    """Shown twice under different tags."""
    stale: list[str]
    """Shown when they were no news any more."""

    def __bool__(self) -> bool:
        return any((self.lost, self.invented, self.doubled, self.early, self.stacked, self.stale))


@dataclass(frozen=True)
class Span:
    """When a sender was killed or stood still: what it had under way may be asked again by another."""

    start: float
    end: float


def examine(
    told: Collection[str],
    records: Iterable[Record],
    *,
    maybe: Collection[str] = (),
    expire: Mapping[str, float] = MappingProxyType({}),
    spans: Collection[Span] = (),
    in_flight: int = 0,
    unheard: Mapping[str, int] = MappingProxyType({}),
) -> Findings:
    """*told* are the ids of notifications that have to be shown, *maybe* those that may, none later than *expire* says.

    In each of *spans* one sender may have had *in_flight* messages whose answers it had not noted. *unheard* tells by target
    how often senders say themselves that no answer came in time, which the ledger cannot know.
    """
    records = list(records)
    by_id: Mapping[str, list[Record]] = _grouped(records)
    # Where a connection ended badly, whatever was under way on it may have lost its answer.
    broken = {record.connection for record in records if record.fault not in HARMLESS}
    doubled, early, stacked = [], [], []
    extra = 0
    for nid, asked in by_id.items():
        accepted = [record for record in asked if record.accepted]
        excused = sum(record.unknown or record.connection in broken for record in accepted)
        excused += unheard.get(asked[0].target, 0)
        surplus = max(0, len(accepted) - 1 - excused)
        extra += surplus
        if surplus > sum(_falls_in(spans, before, after) for before, after in pairwise(accepted)):
            told_of = ", ".join(f"{record.time:.1f} on {record.connection} {record.fault}" for record in accepted)
            doubled.append(f"{nid}: {told_of}")
        if len({record.tag for record in accepted}) > 1:
            stacked.append(nid)
        for before, after in pairwise(asked):
            wait = float(before.retry_after) if before.retry_after else LEAST_WAIT_S.get(before.outcome, 0.0)
            if before.connection in broken:
                wait = 0.0  # a GOAWAY may have said that it was not taken: then it is asked again at once
            elif before.unknown or unheard.get(before.target):
                wait = min(wait, UNHEARD_WAIT_S)
            waited = after.time - before.time
            if not before.accepted and waited < wait - TOLERANCE_S and not _falls_in(spans, before, after):
                early.append(f"{nid}: {before.outcome} {before.fault}, after {waited:.1f} of {wait:g} s")
    if extra > len(spans) * in_flight:
        doubled.append(f"{extra}, more than {len(spans)} senders had under way")
    shown = {nid for nid, asked in by_id.items() if any(record.accepted for record in asked)}
    return Findings(
        lost=sorted(set(told) - shown),
        invented=sorted(shown - set(told) - set(maybe)),
        doubled=doubled,
        early=early,
        stacked=stacked,
        stale=[
            nid
            for nid, end in expire.items()
            if any(record.accepted and record.time > end + TOLERANCE_S for record in by_id.get(nid, ()))
        ],
    )


def _falls_in(spans: Iterable[Span], before: Record, after: Record) -> bool:
    """Whether a sender may not have noted what came of *before* when *after* was asked."""
    return any(span.start <= after.time and before.time <= span.end for span in spans)


def _grouped(records: Iterable[Record]) -> dict[str, list[Record]]:
    grouped = defaultdict(list)
    for record in records:
        if record.nid and not record.validate_only:
            grouped[record.nid].append(record)
    return dict(grouped)
