"""The notification service's doors: proto to domain and back."""
