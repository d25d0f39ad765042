"""Removing registrations that FCM does not know any more, with a stop: a wrong project must not empty the registry."""

from datetime import timedelta

import structlog
from prometheus_client import Counter, Gauge

from firewalker.kernel.clock import Clock
from firewalker.notification.domain.device import Device
from firewalker.notification.usecases.devices import Devices
from firewalker.runtime.metrics import REGISTRY

WINDOW = timedelta(minutes=10)
SHARE = 0.02
"""Of all devices, most that may be pruned within 10 minutes by all processes together (FCM-22)."""

ALWAYS = 10
"""So many may be, however few devices there are."""

_COUNT_EVERY_S = 60.0

_PRUNED = Counter(
    "firewalker_registrations_pruned_total", "Registrations removed, by reason.", ["code"], registry=REGISTRY
)
_HALTED = Gauge("firewalker_pruning_halted", "1 while too many registrations are said to be gone.", registry=REGISTRY)
_log = structlog.get_logger(__name__)


class Pruner:
    """Prunes until it is too much to be true."""

    def __init__(self, devices: Devices, clock: Clock) -> None:
        self._devices = devices
        self._clock = clock
        self._known = 0
        self._counted = float("-inf")

    async def prune(self, device: Device, code: str) -> None:
        """Remove exactly this registration, unless too many were removed lately: then it stays, and people are told."""
        if await self._devices.count_pruned(WINDOW) >= max(ALWAYS, int(await self._all() * SHARE)):
            _HALTED.set(1)
            _log.error("pruning_halted", code=code)
            return
        _HALTED.set(0)
        if await self._devices.prune(device.installation_id, device.generation):
            _PRUNED.labels(code).inc()

    async def _all(self) -> int:
        """How many devices there are, at most a minute old: counting is slow where there are many."""
        now = self._clock.monotonic()
        if now - self._counted > _COUNT_EVERY_S:
            self._known = await self._devices.count()
            self._counted = now
        return self._known
