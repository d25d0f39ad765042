"""Every SQL statement of the user service. Rows become domain values at once."""
