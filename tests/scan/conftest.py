"""Fixtures of the scan tests."""

import importlib.util
import sys
from pathlib import Path

import pytest

# Tests are no package, so a module beside them is loaded by its path, once.
_PLACE = Path(__file__).with_name("world.py")
_SPEC = importlib.util.spec_from_file_location("scan_world", _PLACE)
_MODULE = importlib.util.module_from_spec(_SPEC)
sys.modules["scan_world"] = _MODULE
_SPEC.loader.exec_module(_MODULE)


@pytest.fixture(scope="session")
def world():
    """Twenty patterns of 32 × 24."""
    return _MODULE.World()
