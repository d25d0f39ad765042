"""Reading fields of requests: every one that is wrong is told of, not just the first."""

from typing import TypeVar, cast

from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.kernel.ids import UserId, parse_uuid
from firewalker.user.domain.session import LABEL_RULE, Client, is_label

T = TypeVar("T")

ID_RULE = "must be a UUID of 36 characters"


class Fields:
    """Collects what is wrong with the fields of one request."""

    def __init__(self) -> None:
        self._violations: list[Violation] = []

    def read(self, field: str, parsed: T | None, rule: str) -> T:
        """*parsed*, the value of *field*; None means that it breaks *rule*.

        What comes back for a broken field is None in disguise: use nothing of it before `ensure_valid`.
        """
        if parsed is None:
            self._violations.append(Violation(field, rule))
        return cast("T", parsed)

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
