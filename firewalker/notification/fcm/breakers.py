"""Not asking in vain: while a platform's or the whole project's messages are refused for want of a repair, they are kept."""

from prometheus_client import Gauge

from firewalker.kernel.clock import Clock
from firewalker.notification.domain.device import Platform
from firewalker.runtime.metrics import REGISTRY

FIRST_PAUSE_S = 30.0
LONGEST_PAUSE_S = 600.0

_OPEN = Gauge("firewalker_fcm_breaker_open", "1 while messages are kept back, by what.", ["what"], registry=REGISTRY)


class Breaker:
    """Closed: messages go. Open: none does, until a probe is due; then one asks, and its answer closes or keeps it open."""

    def __init__(self, clock: Clock, what: str) -> None:
        self._clock = clock
        self._gauge = _OPEN.labels(what)
        self._gauge.set(0)
        self._pause_s = FIRST_PAUSE_S
        self._probe_at: float | None = None
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether messages are kept back."""
        return self._probe_at is not None

    def trip(self) -> None:
        """Something was refused for want of a repair. Each failed probe doubles the pause, up to 10 minutes."""
        if self._probe_at is not None and not self._probing:
            return
        self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2) if self._probing else FIRST_PAUSE_S
        self._probe_at = self._clock.monotonic() + self._pause_s
        self._probing = False
        self._gauge.set(1)

    def take_probe(self) -> bool:
        """Whether the caller is the one to ask now; it has to tell `trip` or `mend` how it went."""
        if self._probe_at is None or self._probing or self._clock.monotonic() < self._probe_at:
            return False
        self._probing = True
        return True

    def mend(self) -> bool:
        """A probe went well. Whether messages were kept back until now."""
        was_open = self.is_open
        self._probe_at = None
        self._probing = False
        self._gauge.set(0)
        return was_open


class Breakers:
    """One for the project, one for each platform."""

    def __init__(self, clock: Clock) -> None:
        self.project = Breaker(clock, "project")
        self.platforms = {platform: Breaker(clock, platform.value.lower()) for platform in Platform}

    @property
    def parked(self) -> list[Platform]:
        """The platforms whose messages are kept back."""
        return [platform for platform, breaker in self.platforms.items() if breaker.is_open]
