"""A shell that runs in this process, and a small scan to give it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from napari_ptychonn.cli import main
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate_to_cxi


class Ran(NamedTuple):
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


@pytest.fixture
def shell(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run one command with its arguments."""

    def run(*arguments: object) -> Ran:
        code = main([str(argument) for argument in arguments])
        return Ran(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def scan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated CXI file: 49 patterns of 32 × 32 pixels."""
    path = tmp_path_factory.mktemp("scan") / "small.cxi"
    settings = SimulationSettings(sample="bars", size=32, points=49, step_px=3.0, seed=1)
    simulate_to_cxi(path, settings)
    return path
