"""The notification service: what happened to a user while they were not looking."""
