"""How the emulator is told to misbehave: per registration, for every so many messages, and for its connections.

A behaviour is a word, with an argument behind a colon where it takes one: ``503``, ``429:120`` (Retry-After), ``flaky:.3``.
A registration that begins with the name of a behaviour and a dot behaves so without a script: ``unregistered.abc``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

ANSWERS: Final = frozenset({
    "ok", "unregistered", "unregistered-once", "malformed", "mismatch", "third-party", "quota-device", "quota-project",
    "denied", "not-found", "429", "500", "502", "503", "flaky", "slow", "empty",
})  # fmt: skip
"""Behaviours that are an answer, or a delay before one."""

ENDS: Final = frozenset({
    "accept-then-drop", "accept-then-partial", "accept-never-answer", "accept-then-reset", "refuse-stream",
    "goaway-before", "goaway-at", "goaway-mid", "goaway-after", "goaway-data", "drip", "close",
})  # fmt: skip
"""Behaviours of the connection. Those that begin with *accept* take the message and keep the answer back."""

HIDES_ANSWER: Final = frozenset(
    {
        "accept-then-drop",
        "accept-then-partial",
        "accept-never-answer",
        "accept-then-reset",
        "goaway-at",
        "goaway-mid",
        "goaway-data",
    }
)
"""After these the sender may not know the outcome."""

NOT_TAKEN: Final = frozenset({"refuse-stream", "goaway-before", "close"})
"""With these the message is not taken, and the sender can or cannot know it."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What to do with one message."""

    name: str = "ok"
    argument: str = ""

    @classmethod
    def parse(cls, text: str) -> "Behaviour":
        """Read ``name`` or ``name:argument``.

        Raises:
            ValueError: There is no such behaviour.
        """
        name, _, argument = text.partition(":")
        if name not in ANSWERS | ENDS:
            raise ValueError(f"there is no behaviour {name!r}")
        return cls(name, argument)

    @property
    def number(self) -> float:
        """The argument as a number; 0 if there is none."""
        return float(self.argument) if self.argument else 0.0


OK: Final = Behaviour()


@dataclass
class Script:
    """Everything that was asked for. Deterministic but for *flaky*, which is seeded."""

    targets: dict[str, list[Behaviour]] = field(default_factory=dict)
    """By registration; consumed in order, the last one stays."""
    every: list[tuple[int, Behaviour]] = field(default_factory=list)
    """For every n-th message, whoever it is for; the first that applies counts."""
    token: list[str] = field(default_factory=list)
    """For the token endpoint; consumed in order: ``500``, ``503``, ``429``, ``string``, ``missing``, ``html``, ``hang``,
    ``invalid_grant``, ``short:60``; then it works."""
    quota_a_minute: int = 600_000
    retry_after: str | None = None
    """Told with the project's 429."""
    latency_s: float = 0.0
    denied: bool = False
    """The account may not send."""
    seen: int = 0
    dice: Random = field(default_factory=lambda: Random(1))  # noqa: S311 - repeatable on purpose

    def load(self, asked: Mapping[str, Any]) -> None:
        """Take over what *asked* names; the rest stays.

        Raises:
            ValueError, TypeError, KeyError: It makes no sense.
        """
        for target, behaviours in asked.get("targets", {}).items():
            self.targets[target] = [Behaviour.parse(b) for b in _listed(behaviours)]
        if "every" in asked:
            self.every = [(int(rule["n"]), Behaviour.parse(rule["do"])) for rule in asked["every"]]
        if "token" in asked:
            self.token = [str(step) for step in _listed(asked["token"])]
        self.quota_a_minute = int(asked.get("quota_a_minute", self.quota_a_minute))
        self.retry_after = asked.get("retry_after", self.retry_after)
        self.latency_s = float(asked.get("latency_s", self.latency_s))
        self.denied = bool(asked.get("denied", self.denied))

    def next(self, target: str) -> Behaviour:
        """What to do with this message."""
        self.seen += 1
        steps = self.targets.get(target)
        if steps:
            return steps.pop(0) if len(steps) > 1 else steps[0]
        for n, behaviour in self.every:
            if self.seen % n == 0:
                return behaviour
        name, dot, _ = target.partition(".")
        return Behaviour(name) if dot and name in ANSWERS | ENDS else OK

    def next_token_step(self) -> str:
        """How the token endpoint behaves this time; empty: well."""
        return self.token.pop(0) if self.token else ""


def _listed(value: Any) -> Sequence[str]:
    return [value] if isinstance(value, str) else list(value)
