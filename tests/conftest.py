"""Fixtures for all tests; what they do stands in tests/support."""

import pytest

pytest.register_assert_rewrite("tests.support")

pytest_plugins = ["tests.support.databases"]
