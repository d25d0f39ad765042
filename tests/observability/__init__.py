"""Monitoring against the running product: rules, their cases, and every expression of every dashboard."""
