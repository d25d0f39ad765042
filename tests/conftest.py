"""Fixtures for all tests; what they do stands in tests/support."""

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something about the machine it runs on, not about the rule that it tries.
settings.register_profile("firewalker", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("firewalker")

pytest.register_assert_rewrite("tests.support")

pytest_plugins = ["tests.support.databases"]
