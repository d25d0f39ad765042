"""The one expected failure of local set-up. Faults of the product live in the kernel, not here."""

from __future__ import annotations


class CannotStartError(Exception):
    """Local set-up or supervision cannot go on, for a reason that its text explains.

    The text is for a person at a terminal: whole sentences that name what is wrong and what to do about it. Commands
    print it without a traceback and exit with status 1.
    """
