"""Ended sessions, known to every process without asking anybody on a call.

MySQL holds the truth. The user service announces each end on a Redis stream after its commit (`RevocationFeed`); every
process follows that stream (`RevocationView`) and answers from memory. Where MySQL can be asked, it is, every half second:
for a view that hears nothing, and for ends that nobody announced (`ViewFilling`). What a call is worth that comes while the
view hears nothing, `SessionDoubts` decides. What a session is, and what ends it, is not here.
"""

from firewalker.runtime.revocation.doubts import OnUnknown, SessionDoubts, SessionStateUnknown, SessionTruth
from firewalker.runtime.revocation.entries import BEAT_S, EPOCH, KEEP, STREAM, Replay, Revocation
from firewalker.runtime.revocation.feed import RevocationFeed
from firewalker.runtime.revocation.filling import ViewFilling
from firewalker.runtime.revocation.view import STALE_S, RevocationView

__all__ = [
    "BEAT_S",
    "EPOCH",
    "KEEP",
    "STALE_S",
    "STREAM",
    "OnUnknown",
    "Replay",
    "Revocation",
    "RevocationFeed",
    "RevocationView",
    "SessionDoubts",
    "SessionStateUnknown",
    "SessionTruth",
    "ViewFilling",
]
