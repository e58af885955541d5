"""The package as a whole: what importing it costs, what it offers, what it ships."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files

import pytest

import napari_ptychonn

HEAVY = ("h5py", "magicgui", "napari", "qtpy", "scipy", "torch")

IMPORT_PROBE = f"""
import sys, time
start = time.perf_counter()
import napari_ptychonn
print(time.perf_counter() - start)
print(*[name for name in {HEAVY} if name in sys.modules])
"""


def _run(code: str) -> list[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.alone
def test_importing_the_package_takes_at_most_300_ms() -> None:
    """napari imports every plugin's package at its start. Best of three: the machine is busy."""
    assert min(float(_run(IMPORT_PROBE)[0]) for _ in range(3)) <= 0.3


def test_importing_the_package_imports_neither_torch_nor_napari() -> None:
    assert _run(IMPORT_PROBE)[1] == ""


@pytest.mark.parametrize("name", napari_ptychonn.__all__)
def test_every_public_name_can_be_had_and_is_listed(name: str) -> None:
    assert getattr(napari_ptychonn, name) is not None
    assert name in dir(napari_ptychonn)


def test_an_unknown_name_is_an_attribute_error_as_for_any_module() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = napari_ptychonn.no_such_name


@pytest.mark.parametrize("name", ["napari.yaml", "py.typed"])
def test_the_installed_package_ships(name: str) -> None:
    assert (files("napari_ptychonn") / name).is_file()


def test_the_installed_package_ships_its_networks() -> None:
    bundled = files("napari_ptychonn") / "network" / "bundled"
    sizes = [
        len(entry.read_bytes())
        for entry in bundled.iterdir()
        if entry.name.endswith(".safetensors")
    ]
    assert len(sizes) >= 2
    assert sum(sizes) <= 10 * 2**20
