"""A wrong scale of the positions is found, and nothing is said where the patterns do not tell."""

from dataclasses import replace

import numpy as np
import pytest

from napari_ptychonn.errors import ScanError
from napari_ptychonn.reconstruction.events import Finished, Progress
from napari_ptychonn.reconstruction.position_scale import position_scale, position_scale_events
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.patterns import ArrayPatterns
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate

SCALES = (0.88, 0.95, 1.0, 1.05, 1.12)
CLOSE = 0.015


@pytest.fixture(scope="module")
def scan(make_scan):
    return make_scan(points=64).scan


def too_small_by(scan, scale):
    """The scan as a wrong pixel makes it: its positions should be `scale` times as large."""
    return replace(scan, positions=scan.positions / scale)


@pytest.mark.parametrize("scale", SCALES)
def test_a_known_scale_is_found(scan, scale):
    found = position_scale(too_small_by(scan, scale), device="cpu")
    assert found.sure
    assert found.scale == pytest.approx(scale, rel=CLOSE)
    assert found.is_off == (scale != 1.0)
    assert (f"scaled by {found.scale:.3g}" in found.text()) == found.is_off


def test_a_scan_of_another_probe_and_size_is_measured_too():
    settings = SimulationSettings(
        sample="circuit", probe="zone plate", points=144, step_px=4.0, seed=3
    )
    found = position_scale(too_small_by(simulate(settings).scan, 1.12), device="cpu")
    assert found.scale == pytest.approx(1.12, rel=CLOSE)
    assert "check the pixel size" in found.text()
    assert found.as_dict()["off"] is True


def test_the_misfit_is_least_at_the_scale_that_is_found(scan):
    found = position_scale(too_small_by(scan, 1.05), device="cpu")
    assert list(found.scales) == sorted(found.scales)
    assert found.scales[0] < 0.85
    assert found.scales[-1] > 1.18
    least = found.scales[int(np.argmin(found.misfits))]
    assert least == pytest.approx(found.scale, rel=0.03)


def test_without_a_probe_nothing_is_said(scan):
    found = position_scale(replace(scan, probe=None), device="cpu")
    assert (found.sure, found.is_off, found.scales) == (False, False, ())
    assert "needs a probe" in found.text()
    assert found.as_dict()["scale"] is None


def test_an_empty_sample_tells_nothing(make_scan):
    flat = np.ones((128, 128), np.complex64)
    empty = make_scan(points=49, sample_array=flat).scan
    found = position_scale(too_small_by(empty, 1.12), device="cpu")
    assert not found.sure
    assert not found.is_off
    assert "cannot be told" in found.text()


def test_two_points_are_not_believed(make_scan):
    found = position_scale(make_scan(points=2).scan, device="cpu")
    assert not found.is_off


def test_it_stops_at_once(scan):
    calls = 0

    def soon():
        nonlocal calls
        calls += 1
        return calls > 30

    events = list(position_scale_events(scan, device="cpu", should_stop=soon))
    assert isinstance(events[-1], Finished)
    assert events[-1].stopped
    assert not events[-1].result.sure
    assert "stopped" in events[-1].result.text()


def test_progress_never_goes_back(scan):
    events = [e for e in position_scale_events(scan, device="cpu") if isinstance(e, Progress)]
    done = [event.done / event.total for event in events]
    assert done == sorted(done)
    assert done[-1] <= 1


def test_a_near_field_scan_and_one_without_light_are_refused(scan):
    with pytest.raises(ScanError, match="far-field"):
        position_scale(replace(scan, near_field="it is one"), device="cpu")
    dark = ArrayPatterns(np.zeros((scan.n_points, *scan.pattern_shape), np.uint16))
    with pytest.raises(ScanError, match="no photon"):
        position_scale(replace(scan, patterns=dark), device="cpu")


@pytest.mark.data
def test_the_measured_star_has_its_scale_with_a_probe_that_is_known(shared_data):
    folder = shared_data / "siemens_star"
    star = open_scan(folder / "siemens_star.h5")
    with np.load(folder / "epie_reference.npz") as reference:
        probe = reference["probe"][None].astype(np.complex64)
    known = replace(star, probe=probe, probe_is_guess=False)
    found = position_scale(known, device="cpu")
    assert found.sure
    assert found.scale == pytest.approx(1.0, abs=0.02)
