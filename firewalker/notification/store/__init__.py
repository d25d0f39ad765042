"""Every statement of the notification service."""
