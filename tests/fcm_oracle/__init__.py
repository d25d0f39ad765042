"""Whether the emulator refuses what Google refuses: one table, asked of both, checks only."""
