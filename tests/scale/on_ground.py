"""A plugin of pytest: the tests of a run stand on another ground, `pytest -p tests.scale.on_ground --ground cluster`.

It begins before the tests' own support may be imported, so it has the option alone; the rest is in `mishap`.
"""

import pytest

OPTION, WHOLE = "--ground", "--whole"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    parser.addoption(OPTION, required=True, help="what the tests stand on: see tests/scale/grounds.py")
    parser.addoption(
        WHOLE, action="store_true", help="fail if nothing went wrong there in the middle, or if it was not used"
    )


def pytest_configure(config: pytest.Config) -> None:
    """The rest of it."""
    config.pluginmanager.import_plugin("tests.scale.mishap")
