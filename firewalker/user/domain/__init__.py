"""Values and rules of users. Nothing here does I/O; time and keys are handed in."""
