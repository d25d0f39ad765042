"""The stores' statements before Vitess's own planner: `make test-vitess`."""
