"""The backend on what larger installations run it on: `make test-scale`."""
