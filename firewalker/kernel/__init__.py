"""Words that every service needs. Standard library only; nothing here does I/O."""
