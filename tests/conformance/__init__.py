"""The real conformance tools, run against this server; not part of the tests."""
