"""What a service keeps of one person: taken along by the person, or erased. Which tables that are, each service's store says.

The statements are made from those declarations (`tables.py`); a test compares them with the schema, so that no column with a
user's id is forgotten.
"""

from firewalker.runtime.personal_data.erasure import Erasure
from firewalker.runtime.personal_data.tables import (
    OUTBOX,
    TOMBSTONES,
    PersonalTable,
    Record,
    Shown,
    exported,
    named,
    plain,
    truth,
)

__all__ = ["OUTBOX", "TOMBSTONES", "Erasure", "PersonalTable", "Record", "Shown", "exported", "named", "plain", "truth"]
