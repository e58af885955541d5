"""What a job saved opens as a result like any other program's: label, probe, start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.reconstruction.as_result import as_result
from napari_ptychonn.reconstruction.product import save
from napari_ptychonn.reconstruction.result import Reconstruction, RunReport
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.scan.model import Geometry, LengthUnit, Provenance
from napari_ptychonn.scan.results.open import is_result, open_result


def reconstruction(unit: LengthUnit, modes: int) -> Reconstruction:
    """An object partly unmeasured, away from (0, 0)."""
    rng = np.random.default_rng(1)
    sample = (rng.normal(size=(40, 31)) + 1j * rng.normal(size=(40, 31))).astype(np.complex64)
    sample[:3] = np.nan
    scale = 1e-8 if unit == "m" else 1.0
    return Reconstruction(
        object=sample,
        pixel=(scale, 2 * scale) if unit == "m" else (1.0, 1.0),
        unit=unit,
        corner=(-12 * scale, 30 * scale),
        probe=rng.normal(size=(modes, 8, 16)).astype(np.complex64),
        positions=rng.normal(size=(7, 2)) * scale,
        indices=np.arange(7),
        coverage=np.ones((40, 31), np.float32),
        disagreement=np.ones((40, 31), np.float32),
        misfit=np.ones(7, np.float32),
        settings=ReconstructionSettings(),
        card=NetworkCard("some", "ptychonn-probe"),
        provenance=Provenance(None, "memory"),
        report=RunReport(0.02, 1.5, 4.7, "CPU", 3, 2, 1),
        geometry=Geometry(1.4e-10, 2.0, (75e-6, 55e-6)) if unit == "m" else None,
    )


@pytest.mark.parametrize("unit", ["m", "px"])
@pytest.mark.parametrize("modes", [0, 2])
def test_a_saved_reconstruction_is_a_result(tmp_path: Path, unit: LengthUnit, modes: int) -> None:
    made = reconstruction(unit, modes)
    save(made, tmp_path / "r.h5")
    assert is_result(tmp_path / "r.h5")
    result = open_result(tmp_path / "r.h5")
    assert (result.format, result.unit, result.is_start) == ("napari-ptychonn", unit, False)
    np.testing.assert_array_equal(result.object, made.object)
    np.testing.assert_allclose(result.pixel, made.pixel)
    # The centre is stored, and the way back rounds.
    np.testing.assert_allclose(result.corner, made.corner, rtol=1e-9)
    assert result.positions is not None
    np.testing.assert_array_equal(result.positions, made.positions)
    if modes:
        np.testing.assert_array_equal(result.probe, made.probe)
    else:
        assert result.probe is None
    assert (result.distance_m == 2.0) == (unit == "m")


@pytest.mark.parametrize("unit", ["m", "px"])
@pytest.mark.parametrize("modes", [0, 2])
def test_a_reconstruction_in_memory_is_the_result_that_its_file_is(
    tmp_path: Path, unit: LengthUnit, modes: int
) -> None:
    made = reconstruction(unit, modes)
    save(made, tmp_path / "r.h5")
    saved, held = open_result(tmp_path / "r.h5"), as_result(made)
    np.testing.assert_array_equal(held.object, saved.object)
    np.testing.assert_allclose(held.corner, saved.corner, rtol=1e-9)
    assert (held.unit, held.format) == (saved.unit, saved.format)
    assert held.pixel == pytest.approx(saved.pixel)
    assert (held.probe is None) == (saved.probe is None)
    assert held.distance_m == saved.distance_m
    assert (held.energy_ev is None) == (saved.energy_ev is None)
    if held.energy_ev is not None:
        assert held.energy_ev == pytest.approx(saved.energy_ev)
