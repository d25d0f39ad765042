"""Settings of the step service: ``FIREWALKER_STEP_…``."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from firewalker.runtime.config import Addresses, Port, ServiceConfig
from firewalker.step.domain.overtake import HELD_S


class StepConfig(ServiceConfig):
    """See `ServiceConfig` for what all services share."""

    model_config = SettingsConfigDict(env_prefix="FIREWALKER_STEP_")

    port: Port = 50052
    """Public gRPC port."""

    internal_port: Port = 50062
    """Port for the other services."""

    user_address: Addresses = "127.0.0.1:50061"
    """Internal port of the user service, ``host:port``, or several with commas between. If it is wrong, profiles do not
    show goals: events pile up in the outbox. Who has just signed up then lives in UTC until their event is here."""

    notification_address: Addresses = "127.0.0.1:50063"
    """Internal port of the notification service, ``host:port``, or several. If it is wrong, nobody hears of reached goals
    and of who passed whom: events pile up."""

    set_aside_days: int = Field(default=90, ge=14, le=3_650)
    """So old become events that a receiver would not take, and that nobody had delivered again (``firewalker outbox``). Then
    they are dropped, and the two services disagree for good: shorter than you take to mend a receiver, and facts are lost."""

    ingest_lanes: int = Field(default=2, ge=1, le=16)
    """Commits under way at once. Each has a MySQL connection of its own; with one to spare they come on top of
    ``pool_size``. More of them make the groups smaller: worth it only where a commit takes long because the database is
    far away."""

    ingest_max_group: int = Field(default=2_000, ge=1, le=100_000)
    """Readings of one commit. Smaller groups hold their locks for a shorter time, larger ones cost less per reading."""

    ingest_max_waiting: int = Field(default=20_000, ge=1_000, le=1_000_000)
    """Readings that may wait in one lane. Beyond it streams are not read and calls are OVERLOADED; some 300 bytes each."""

    ingest_max_known: int = Field(default=100_000, ge=1_000, le=10_000_000)
    """Device days, and as many totals, that are remembered, some 500 bytes each. Below the number of walkers on the move,
    every message costs a look at MySQL."""

    overtake_held_s: float = Field(default=HELD_S, ge=1, le=3_600)
    """How long a walker has to stay in front before it is told that they passed somebody. Shorter, and two who walk side
    by side make news of every change of places; longer, and it is told late."""
