"""Every SQL statement of the step service, one module per resource."""
