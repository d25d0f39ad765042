"""`python -m firewalker.local`: the same as `firewalker up`."""

from __future__ import annotations

import sys

from firewalker.local.up import run

if __name__ == "__main__":
    sys.exit(run())
