"""Fixtures that all tests share, and one thread for each of them.

One thread makes sums, and so results, the same on every machine, and is fastest for the
small arrays of tests. The variables are read when torch and numpy load their libraries,
so they are set before any test module is imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import hypothesis  # noqa: E402  (the variables come first)
import pytest  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[1]
DATA_VARIABLE = "PTYCHONN_DATA"

# How long one example takes says how busy the machine is; a test that hangs meets its timeout.
hypothesis.settings.register_profile("no-deadline", deadline=None)
hypothesis.settings.load_profile("no-deadline")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Keep the other workers of pytest-xdist from a test that has a bound on time."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    with _room(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@contextmanager
def _room(*, alone: bool) -> Iterator[None]:
    """Share the machine with the other workers, or have it alone."""
    import fcntl

    with Path(__file__).open() as room, (REPOSITORY / "pyproject.toml").open() as door:
        # Who waits for an empty room stands in the door, or others would come in for ever.
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            # By name: a process that was forked off in the test holds the file open as well.
            fcntl.flock(room, fcntl.LOCK_UN)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout that these tests lie in."""
    return REPOSITORY


@pytest.fixture(scope="session", autouse=True)
def _own_locks(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A training that runs beside the tests does not keep them from the device."""
    os.environ["NAPARI_PTYCHONN_LOCKS"] = str(tmp_path_factory.mktemp("locks"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of measured scans and published networks; the test is skipped without it."""
    named = os.environ.get(DATA_VARIABLE)
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no measured data: {folder} is not a folder; set {DATA_VARIABLE} to one")
    return folder
