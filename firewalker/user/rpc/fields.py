"""Reading fields of requests: every one that is wrong is told of, not just the first."""

from collections.abc import Callable, Collection
from typing import Final, TypeVar, cast

from firewalker.gen.pb.firewalker.user import v1 as pb
from firewalker.gen.pb.google.protobuf import FieldMask
from firewalker.kernel.faults import Fault, InvalidRequest, Violation
from firewalker.kernel.ids import UserId, parse_uuid
from firewalker.user.domain.session import LABEL_RULE, Client, is_label
from firewalker.user.domain.user import Visibility

T = TypeVar("T")

ID_RULE = "must be a UUID of 36 characters"
CODE_RULE = "must be a code of 16 letters and digits"

_VISIBILITIES: Final = {
    pb.UserVisibility.FRIENDS: Visibility.FRIENDS,
    pb.UserVisibility.ROUNDED: Visibility.ROUNDED,
    pb.UserVisibility.RANK_ONLY: Visibility.RANK_ONLY,
    pb.UserVisibility.HIDDEN: Visibility.HIDDEN,
}


class Fields:
    """Collects what is wrong with the fields of one request."""

    def __init__(self) -> None:
        self._violations: list[Violation] = []

    def read(self, field: str, parsed: T | None, rule: str, *, given: object = True) -> T:
        """*parsed*, the value of *field*; None means that it breaks *rule*, or where it was not *given* is missing.

        What comes back for a broken field is None in disguise: use nothing of it before `ensure_valid`.
        """
        if not given:
            self._violations.append(Violation(field, "is required", "REQUIRED"))
        elif parsed is None:
            self._violations.append(Violation(field, rule))
        return cast("T", parsed)

    @property
    def wrong(self) -> bool:
        """Whether anything was, so far."""
        return bool(self._violations)

    def obey(self, rule: Callable[[], None]) -> None:
        """Apply a rule that refuses fields with a fault of its own: what it says of them is told with the rest."""
        try:
            rule()
        except Fault as fault:
            self._violations += fault.violations

    def user_id(self, field: str, text: str) -> UserId:
        """The user id in *field*."""
        return UserId(self.read(field, parse_uuid(text), ID_RULE))

    def client(self, installation_id: str | None, device_name: str | None) -> Client:
        """What the app tells of itself: the fields `installation_id` and `device_name`."""
        labels = {"installation_id": installation_id or "", "device_name": device_name or ""}
        return Client(
            **{field: self.read(field, text if is_label(text) else None, LABEL_RULE) for field, text in labels.items()}
        )

    def ensure_valid(self) -> None:
        """Go on only if nothing was wrong.

        Raises:
            InvalidRequest: With every violation.
        """
        if self._violations:
            raise InvalidRequest(violations=self._violations)


def visibility_of(fields: Fields, field: str, value: pb.UserVisibility) -> Visibility:
    """The visibility in *field*."""
    return fields.read(field, _VISIBILITIES.get(value), "must be FRIENDS, ROUNDED, RANK_ONLY or HIDDEN")


def masked(
    fields: Fields, mask: FieldMask | None, *, known: Collection[str], present: Collection[str]
) -> Collection[str]:
    """Which of the *known* fields an update takes (AIP-134): those in the *mask*, all for `*`, without one the *present*."""
    if mask is None or not mask.paths:
        return present
    if list(mask.paths) == ["*"]:
        return known
    wrong = set(mask.paths) - set(known)
    fields.read("update_mask", None if wrong else True, f"may name {', '.join(known)}")
    return set(mask.paths)
