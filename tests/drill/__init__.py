"""A backup, a loss of everything, and a restore, with people who walk meanwhile."""
