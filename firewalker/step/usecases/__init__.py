"""What the step service does for a caller, one module per resource."""
