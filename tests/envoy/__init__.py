"""The transcoder beside Envoy's: `make test-envoy`."""
