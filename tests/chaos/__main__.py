"""Chaos: every process, MySQL, Redis and FCM's emulator are killed, paused, slowed and cut off in turn while people walk,
befriend each other and sign out. Invariants alone are judged, not speed:

- no acknowledged reading and no acknowledged friend request is lost;
- nobody is told of somebody else;
- no token is good for anything 3 s after its session has ended;
- boards equal MySQL afterwards;
- every notification is shown, and none twice without a misfortune that explains it;
- whoever insists gets an answer, and some of everything was promised.

    python -m tests.chaos [--seconds 600] [--seed 1] [--report FILE]

A run that struck everyone in every way writes deploy/chaos-report.md, a shorter one .local/chaos-report.md. The same seed
strikes in the same order. Everything runs on loopback, and nothing is ended that was not started here.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from firewalker.cli.walk.course import Outcome, walk_all
from firewalker.cli.walk.crowd import Plan, crowd
from firewalker.cli.walk.meters import Meters
from firewalker.cli.walk.walker import Walker
from tests.chaos.findings import IN_FLIGHT, boards_apart, lost_readings, settled, wrong_notifications
from tests.chaos.load import PATIENCE_S, REVOKED_WITHIN_S, Promises, pairs
from tests.chaos.place import Place, place
from tests.chaos.strikes import WAYS, Struck, complete, strike_until
from tests.support.journal import Journal

SETTINGS = {
    "FIREWALKER_NOTIFICATION_FCM_IN_FLIGHT": str(IN_FLIGHT),
    **{f"FIREWALKER_{name}_REVOCATION_ON_UNKNOWN": "deny" for name in ("USER", "STEP", "NOTIFICATION")},
}
WHOLE = Path("deploy/chaos-report.md")
SHORT = Path(".local/chaos-report.md")
WALKERS = 12
CATCH_UP_S = 30.0


async def run(seconds: float, seed: int, report: Path | None, journal: Journal) -> bool:
    """Whether everything held, which *report* says at length; without one, the file that a run so long belongs to."""
    with tempfile.TemporaryDirectory(prefix="fw-chaos-") as name:
        async with place(Path(name), SETTINGS, journal) as here:
            meters, promises, over = Meters(), Promises(), asyncio.Event()
            plan = Plan(users=WALKERS, seed=seed, speed=5, interval_s=0.5)
            async with crowd(plan, here.addresses(), meters, lambda *_: None) as walkers:
                walking = asyncio.create_task(walk_all(walkers, over))
                befriending = asyncio.create_task(
                    pairs(here.address, f"http://{here.address('transcoder')}", promises, over)
                )
                began = time.monotonic()
                done = await strike_until(here, seed, began + seconds)
                over.set()
                outcome = await walking
                await befriending
                late = await settled(here, promises)
                findings = {
                    "acknowledged readings lost or invented": await lost_readings(here, walkers),
                    "boards that are not what MySQL has": await _in_the_end_equal(here, walkers),
                    "told of somebody else": promises.strangers,
                    f"tokens good for something {REVOKED_WITHIN_S:.0f} s after their session": promises.revenants,
                    "events or pushes that did not arrive": [late] if late else [],
                    "walkers that did not get through": _failures(outcome),
                    f"others without an answer for {PATIENCE_S:.0f} s": promises.failed,
                    "promises that nobody was given": _unpromised(meters, promises),
                    "errors that processes did not expect": here.unexpected(),
                    **{f"notifications: {what}": wrong for what, wrong in (
                        await wrong_notifications(here, promises, done)
                    ).items()},
                }  # fmt: skip
                text = _report(f"make chaos SECONDS={seconds:.0f} SEED={seed}", done, meters, promises, findings)
    report = report or (WHOLE if complete(done) else SHORT)
    report.parent.mkdir(exist_ok=True)
    await asyncio.to_thread(report.write_text, text)
    print(f"{text}\nWritten to {report}.")
    return not any(findings.values())


async def _in_the_end_equal(here: Place, walkers: list[Walker]) -> list[str]:
    limit = time.monotonic() + CATCH_UP_S
    while True:
        apart = await boards_apart(walkers, here)
        if not apart or time.monotonic() > limit:
            return apart
        await asyncio.sleep(1)


def _failures(outcome: Outcome) -> list[str]:
    wrong = [f"{nickname}: {found}" for nickname, found in outcome.discrepancies]
    wrong += [f"{nickname}: {why}" for nickname, why in outcome.failed.items()]
    return wrong + ([f"{outcome.unacknowledged} messages without an answer"] if outcome.unacknowledged else [])


def _unpromised(meters: Meters, promises: Promises) -> list[str]:
    """What could not be broken because there was none of it."""
    given = {
        "acknowledged readings": meters.readings - meters.rejected.total(),
        "friend requests": len(promises.requests),
        "ended sessions": promises.ended,
    }
    return [f"no {what}" for what, count in given.items() if not count]


def _report(
    command: str,
    done: list[Struck],
    meters: Meters,
    promises: Promises,
    findings: dict[str, list[str]],
) -> str:
    counts = Counter((one.strike.target, one.strike.way) for one in done)
    targets = sorted({target for target, _ in counts})
    slowest = max(done, key=lambda one: one.ready_s)
    meanwhile = (
        f"Meanwhile {meters.readings} readings were acknowledged to {WALKERS} walkers (p50 "
        f"{meters.latencies.quantile(0.5) * 1000:.0f} ms, p99 {meters.latencies.quantile(0.99) * 1000:.0f} ms; "
        f"{meters.reconnects.total()} streams were opened anew), {promises.answered} other calls were answered and "
        f"{promises.refused} refused or cut off, {len(promises.requests)} friend requests were made and {promises.ended} "
        f"sessions ended. What had died was back, at the latest, {slowest.ready_s:.1f} s later "
        f"({slowest.strike.target} {slowest.strike.way})."
    )
    lines = [
        "# What held",
        "",
        f"Written by `{command}` on {datetime.now(UTC):%Y-%m-%d}.",
        "",
        f"| struck | {' | '.join(WAYS)} |",
        f"|---|{'--:|' * len(WAYS)}",
        *(f"| {target} | {' | '.join(str(counts[target, way]) for way in WAYS)} |" for target in targets),
        "",
        meanwhile,
        "",
        "| what must not be | found |",
        "|---|--:|",
        *(f"| {what} | {len(wrong)} |" for what, wrong in findings.items()),
    ]
    for what, wrong in findings.items():
        if wrong:
            lines += ["", f"## {what}", "", *(f"- {one}" for one in wrong[:20])]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, help=f"written instead of {WHOLE} or {SHORT}")
    parser.add_argument("--journal", type=Path, default=Path(".local/chaos.log"), help="what all processes say")
    arguments = parser.parse_args()
    arguments.journal.parent.mkdir(exist_ok=True)
    arguments.journal.unlink(missing_ok=True)
    return int(not asyncio.run(run(arguments.seconds, arguments.seed, arguments.report, Journal(arguments.journal))))


if __name__ == "__main__":
    sys.exit(main())
