"""What the notification service does, one file per resource."""
