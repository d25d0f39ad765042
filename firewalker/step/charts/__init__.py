"""Drawing pictures of statistics, in a process of its own: the service's event loop and memory stay free of it."""
