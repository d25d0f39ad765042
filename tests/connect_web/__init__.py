"""Connect's client for browsers, under Node: `make test-connect-web`."""
