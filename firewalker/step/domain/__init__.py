"""Pure values and rules of the step service: readings, days, walkers. No I/O; time is handed in."""
