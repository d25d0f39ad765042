"""The container image: built, looked into and run, without a container engine."""
