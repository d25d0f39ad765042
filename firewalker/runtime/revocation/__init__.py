"""Ended sessions, known to every process without asking anybody on a call.

MySQL holds the truth. The user service announces each end on a Redis stream after its commit (`RevocationFeed`); every
process follows that stream (`RevocationView`) and answers from memory. Where MySQL can be asked, a view that hears
nothing is filled from there (`ViewFilling`); what a call is worth meanwhile, `SessionDoubts` decides. What a session is, and what ends it, is not here.
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
