"""An attacker as a program: `python -m tests.service.grpc.abuse.attacker`, which takes orders until its input ends.

An order is a line of JSON (see `Order`): flood one connection after the other, from one address (loopback has many). How it
went is printed as a line of JSON too. It yields to everybody else (nice), because it is the server that shall be slow to its
other clients or not, rather than the machine; each attack is bounded in time and, after its opening burst, in rate.
"""

import json
import os
import select
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from itertools import count
from time import monotonic, sleep

from tests.service.grpc.abuse.floods import FLOODS, PREFACE

NICENESS = 10

BURST_BATCHES = 20
"""Written at once on each connection, as fast as it is taken: 2 000 frames of most floods, four times what any limit of
`Limits` lets pass. What a flood does to a server that cuts it off is thus not softened by the rate."""

BATCHES_PER_S = 200
"""After that: 20 000 frames a second of most floods, for servers that do not cut it off."""

_GOAWAY = 7
_AGAIN_S = 0.02
"""Pause before the next connection, also when it is refused at once."""


@dataclass(frozen=True)
class Order:
    """What to attack, and how long."""

    flood: str
    port: int
    address: str
    seconds: float
    patience_s: float
    """How long to go on if nothing was cut at all; not below *seconds*."""


@dataclass
class Story:
    """What became of an attack."""

    connections: int = 0
    """Opened; those that were refused included."""
    cut: int = 0
    """Ended by the server."""
    first_cut_s: float | None = None
    """How long the first one lasted."""
    most_batches: int = 0
    """Of one connection; what the server's kernel took counts too."""
    causes: tuple[str, ...] = ()
    """What the server's GOAWAYs say for the people who read them."""


class Recording:
    """A flood as every connection sends it, made once: who makes it anew each time takes a core from its victims."""

    def __init__(self, flood: str) -> None:
        self._rest = FLOODS[flood]()
        self._batches: list[bytes] = []

    def __iter__(self) -> Iterator[bytes]:
        for at in count():
            if at == len(self._batches):
                self._batches.append(next(self._rest))
            yield self._batches[at]


@cache
def recorded(flood: str) -> Recording:
    """The same for all attacks of a process."""
    recording = Recording(flood)
    for _ in zip(recording, range(BURST_BATCHES), strict=False):
        pass
    return recording


class Attack:
    """Until its time is over."""

    def __init__(self, order: Order) -> None:
        self._order = order
        # Made before its time begins.
        recorded(order.flood)
        self._begun = monotonic()
        self.story = Story()

    @property
    def _goes_on(self) -> bool:
        return monotonic() - self._begun < (self._order.seconds if self.story.cut else self._order.patience_s)

    def run(self) -> Story:
        while self._goes_on:
            begun = monotonic()
            self.story.connections += 1
            try:
                causes = self._one_connection(iter(recorded(self._order.flood)))
            except ConnectionRefusedError:
                self.story.causes = (*self.story.causes, "server gone")
                break
            if causes is not None:
                self.story.cut += 1
                self.story.causes = tuple(dict.fromkeys((*self.story.causes, *causes)))
                if self.story.first_cut_s is None:
                    self.story.first_cut_s = monotonic() - begun
                sleep(_AGAIN_S)
        return self.story

    def _one_connection(self, flood: Iterator[bytes]) -> list[str] | None:
        """The debug texts of its end; None if it was still open when the time was over."""
        heard = bytearray()
        place = ("127.0.0.1", self._order.port)
        with socket.create_connection(place, 5, (self._order.address, 0)) as connection:
            connection.setblocking(False)  # noqa: FBT003 - the name says it
            begun, batches, pending = monotonic(), 0, PREFACE
            while self._goes_on:
                early = begun + (batches - BURST_BATCHES) / BATCHES_PER_S - monotonic()
                if not pending and early <= 0:
                    pending = next(flood)
                    batches += 1
                    self.story.most_batches = max(self.story.most_batches, batches)
                wait_s = 0.1 if pending else early
                readable, writable, _ = select.select([connection], [connection] if pending else [], [], wait_s)
                try:
                    if readable and not self._hear(connection, heard):
                        return goaways(heard)
                    if writable:
                        pending = pending[connection.send(pending) :]
                except OSError:
                    return goaways(heard)
        return None

    def _hear(self, connection: socket.socket, heard: bytearray) -> bool:
        data = connection.recv(65_536)
        heard += data
        # Only the end matters; a server that answers a flood for ever says much.
        del heard[:-131_072]
        return bool(data)


def goaways(heard: bytes | bytearray) -> list[str]:
    """The debug texts of the GOAWAY frames among what a server has sent."""
    texts = []
    position = heard.find(bytes((_GOAWAY, 0, 0, 0, 0, 0)))
    if position >= 3:
        size = int.from_bytes(heard[position - 3 : position], "big")
        texts.append(bytes(heard[position + 14 : position + 6 + size]).decode("ascii", "replace"))
    return texts


if __name__ == "__main__":
    os.nice(NICENESS)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(asdict(Attack(Order(**json.loads(line))).run())) + "\n")
        sys.stdout.flush()
