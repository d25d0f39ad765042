"""Notifications as values, and their words. Pure."""
