"""The step service put together."""

from datetime import timedelta

from firewalker.kernel.clock import Clock, SystemClock
from firewalker.runtime.chores import Chore
from firewalker.runtime.ground import open_ground
from firewalker.runtime.grpc.channel import InternalChannel
from firewalker.runtime.grpc.credentials import read_service_token
from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox import Outbox, Relay
from firewalker.runtime.outbox.set_aside import SetAside
from firewalker.runtime.process import App
from firewalker.runtime.services import told_people
from firewalker.runtime.services.event_sink import RemoteSink
from firewalker.runtime.services.personal_data import PersonalDataDoor
from firewalker.runtime.services.session_truth import RemoteSessionTruth
from firewalker.step.boards_part import BoardsPart
from firewalker.step.config import StepConfig
from firewalker.step.events import OutboxFacts
from firewalker.step.goals_part import GoalsPart
from firewalker.step.ingest import Ingest
from firewalker.step.introductions import RemoteIntroductions
from firewalker.step.live import LiveTotals
from firewalker.step.overtakes import Overtakes
from firewalker.step.rpc.days import DayCalls
from firewalker.step.rpc.steps import StepDoor
from firewalker.step.store.personal import TABLES
from firewalker.step.usecases.corrections import Corrections
from firewalker.step.usecases.days import Days
from firewalker.step.usecases.overtakings import Overtakings
from firewalker.step.usecases.readings import Readings
from firewalker.step.usecases.settling import Settling


def _lanes_database(config: StepConfig, name: str) -> Database:
    """Connections of the ingest's own: one for each lane, and one to replace a broken one.

    Out of the common pool, first come, first served, a whole group of readings would wait behind every board being read.
    """
    return Database(config.mysql_url.get_secret_value(), pool_size=config.ingest_lanes + 1, name=f"{name}-ingest")


async def build(config: StepConfig, clock: Clock | None = None) -> App:
    """Open what is needed and connect the rooms."""
    clock = clock or SystemClock()
    ground = await open_ground(config, clock)
    database, redis_url = ground.database, config.redis_url.get_secret_value()
    service_token = read_service_token(config.service_token_file)
    channels = {
        "user": InternalChannel(config.user_address, service_token, ca_file=config.tls_ca_file),
        "notification": InternalChannel(config.notification_address, service_token, ca_file=config.tls_ca_file),
    }
    for channel in channels.values():
        ground.resources.callback(channel.close)
    ground.settle_doubts_by(RemoteSessionTruth(channels["user"]))
    outbox = Outbox(*channels)
    sinks = {name: RemoteSink(channel) for name, channel in channels.items()}
    # Overtakes and results are the most that services tell each other, and each is somebody's own.
    relay = Relay(database, sinks, outbox, split=("notification",))
    live = LiveTotals(redis_url, database, clock)
    introduce = RemoteIntroductions(channels["user"])
    boards = BoardsPart(database=database, live=live, redis_url=redis_url, clock=clock, introduce=introduce)
    facts = OutboxFacts(outbox, clock)
    goals = GoalsPart(database=database, live=live, boards=boards, facts=facts, clock=clock)
    overtakings = Overtakings(database, facts, clock)
    overtakes = Overtakes(boards.circles, boards.known, live, overtakings, clock, held_s=config.overtake_held_s)
    ingest = Ingest(
        await ground.resources.enter_async_context(_lanes_database(config, database.name)),
        live,
        clock,
        lanes=config.ingest_lanes,
        max_group=config.ingest_max_group,
        max_waiting=config.ingest_max_waiting,
        max_known=config.ingest_max_known,
        walked=overtakes.walked,
    )
    # A relay repeats a delivery within minutes; what was seen a month ago does not come again.
    forget = Chore(
        "forget deliveries",
        timedelta(hours=1),
        lambda: boards.projections.forget_deliveries(clock.now() - timedelta(days=30)),
    )
    kept = timedelta(days=config.set_aside_days)
    set_aside = SetAside(database, channels, told_people, clock, kept=kept)
    sift = Chore("sift what was set aside", timedelta(hours=1), set_aside.work)
    forget_overtakes = Chore("forget overtakes", timedelta(minutes=30), overtakings.forget)
    settle = Chore("freeze boards", timedelta(minutes=1), Settling(database, facts, clock).settle)
    return ground.app(
        config,
        public=[
            StepDoor(
                Readings(ingest, boards.zones, clock),
                DayCalls(
                    Days(database, boards.zones, clock, goals=goals.as_of),
                    Corrections(database, ingest, boards.zones, clock),
                ),
            ),
            boards.leaderboards,
            goals.goals,
            goals.stats,
        ],
        internal=[boards.event_sink, boards.standings, PersonalDataDoor(database, TABLES)],
        # Stopped in reverse: ingest commits what it took and announces it, boards and live totals then tell the rest.
        parts=[live, boards, goals, overtakes, ingest, boards.erasure, settle, forget, forget_overtakes, sift, relay],
    )
