"""Fixtures of the scan tests."""

import importlib.util
import sys
from pathlib import Path

import pytest


def _load(place):
    """A module beside the tests, which are no package: ``scan_world`` for ``world.py``."""
    name = f"scan_{place.stem}"
    spec = importlib.util.spec_from_file_location(name, place)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


_HERE = Path(__file__).parent
_WORLD = _load(_HERE / "world.py")
for _place in sorted(_HERE.glob("*_files.py")):
    # test_side_files.py is a test, and no writer of files.
    if not _place.name.startswith("test_"):
        _load(_place)


@pytest.fixture(scope="session")
def world():
    """Twenty patterns of 32 × 24."""
    return _WORLD.World()
