"""The backend on what larger installations run it on: `make test-scale`; the services' tests on MySQL: `make test-mysql`."""
