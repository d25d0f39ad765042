"""What freezing a board takes, and what who calls the same process notices of it. Run by `python -m tests.bench.freezing`."""
