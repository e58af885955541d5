"""The orientation is found where the patterns tell it, and said to be unknown where they do not."""

from dataclasses import replace

import numpy as np
import pytest

from napari_ptychonn.errors import ScanError
from napari_ptychonn.reconstruction.events import Finished, Progress
from napari_ptychonn.reconstruction.orient import (
    find_orientation,
    orientation_events,
    turned_scan,
)
from napari_ptychonn.scan.model import Geometry
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.orientation import inverse_orientation, orient
from napari_ptychonn.scan.patterns import ArrayPatterns
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate


def stored_as(scan, code):
    """A scan as a detector would write it that stands so, and nobody knows."""
    turned = turned_scan(scan, code)
    return replace(turned, provenance=replace(turned.provenance, orientation=0))


@pytest.fixture(scope="module")
def scan(make_scan):
    """64 points whose probe is out of focus."""
    return make_scan(points=64).scan


@pytest.fixture(scope="module")
def search(scan):
    return find_orientation(scan, device="cpu")


@pytest.mark.parametrize("code", range(8))
def test_each_of_the_eight_is_found_by_a_known_probe(scan, code):
    found = find_orientation(stored_as(scan, code), device="cpu")
    assert found.best == inverse_orientation(code)
    assert found.sure
    assert found.answer == found.best


def test_a_scan_of_64_pixels_with_a_wrong_probe_is_turned_back():
    settings = SimulationSettings(
        sample="circuit", probe="zone plate", points=64, step_px=4.0, seed=3, guess_defocus=0.12
    )
    found = find_orientation(stored_as(simulate(settings).scan, 5), device="cpu")
    assert (found.best, found.sure) == (6, True)
    assert "transposed, y flipped" in found.text()


def test_the_answer_is_in_codes_of_the_file_however_the_scan_was_opened(scan, search):
    """An orientation chosen before must not turn the answer."""
    opened_wrong = turned_scan(scan, 5)
    found = find_orientation(opened_wrong, device="cpu")
    assert (found.best, found.present) == (search.best, 5)
    np.testing.assert_allclose(
        [trial.misfit for trial in found.trials], [trial.misfit for trial in search.trials]
    )
    assert "The scan has 5" in found.text()


def test_a_search_gives_eight_pictures_of_one_size_and_its_margin(search):
    assert [trial.code for trial in search.trials] == list(range(8))
    assert len({trial.picture.shape for trial in search.trials}) == 1
    assert all(np.isfinite(trial.picture).all() for trial in search.trials)
    assert search.trials[search.best].worse == 0
    others = [trial.worse for trial in search.trials if trial.code != search.best]
    assert search.margin >= min(others) > 4
    assert search.as_dict()["best"] == 0


def test_half_a_turn_fits_alike_with_the_conjugate_probe(scan, search):
    """|F[P·O](−q)|² is |F[P*·O*](q)|²: so a free probe cannot tell codes that differ by 3."""
    turned = stored_as(scan, 3)
    found = find_orientation(replace(turned, probe=scan.probe.conj()), device="cpu")
    assert found.best == search.best
    # Only the row and column at the Nyquist frequency break the symmetry.
    assert found.trials[0].misfit == pytest.approx(search.trials[0].misfit, rel=0.02)


def test_negated_positions_fit_alike_with_everything_turned_by_half_a_turn(scan, search):
    """So the sign of the positions is not a ninth thing to search for."""
    turned = stored_as(scan, 3)
    there = replace(turned, positions=-scan.positions, probe=orient(scan.probe, 3))
    found = find_orientation(there, device="cpu")
    assert found.best == search.best
    assert found.sure


def test_without_a_probe_half_a_turn_is_left_open_and_nothing_else(make_scan):
    # Wider apart than the probe is free to explain.
    scan = replace(make_scan(points=81, photons=1e6).scan, probe=None)
    found = find_orientation(stored_as(scan, 1), device="cpu")
    assert {found.best, *found.tied} == {1, 2}
    assert found.answer == found.present == 0
    assert "half a turn" in found.text()


def test_a_probe_without_phase_never_tells_half_a_turn(make_scan):
    y, x = np.mgrid[:32, :32] - 16
    probe = np.exp(-(y**2 + x**2) / 40).astype(np.complex64)
    scan = make_scan(points=64, probe_array=probe).scan
    found = find_orientation(scan, device="cpu")
    assert 3 in {found.best, *found.tied}
    assert not found.sure


def test_an_empty_sample_tells_nothing(make_scan):
    flat = np.ones((128, 128), np.complex64)
    found = find_orientation(make_scan(points=49, sample_array=flat).scan, device="cpu")
    assert not found.sure
    assert found.answer == found.present
    assert found.text().startswith("Cannot tell")


def test_few_points_are_not_believed(make_scan):
    found = find_orientation(make_scan(points=6).scan, device="cpu")
    assert not found.sure
    assert found.points == 6


def test_positions_in_a_wrong_unit_are_refused_before_memory_is_full(scan):
    far = replace(scan, positions=1e6 * scan.positions)
    with pytest.raises(ScanError, match="object pixels, which would take"):
        find_orientation(far, device="cpu")


def test_two_points_tell_nothing_and_are_no_trouble(make_scan):
    assert not find_orientation(make_scan(points=2).scan, device="cpu").sure


def test_pixels_that_are_not_square_follow_the_turn(scan):
    oblong = replace(scan, geometry=Geometry(1e-10, 1.0, (5e-5, 7e-5)), pixel_m=(7e-8, 5e-8))
    turned = turned_scan(oblong, 4)
    assert turned.pixel_m == (5e-8, 7e-8)
    assert turned.geometry.detector_pixel_m == (7e-5, 5e-5)
    assert turned_scan(turned, 0).pixel_m == oblong.pixel_m


def test_a_stopped_search_ends_with_what_it_has(scan):
    calls = 0

    def soon():
        nonlocal calls
        calls += 1
        return calls > 30

    events = list(orientation_events(scan, device="cpu", should_stop=soon))
    assert isinstance(events[-1], Finished)
    assert events[-1].stopped
    search = events[-1].result
    assert (search.sure, search.answer) == (False, 0)
    assert "stopped" in search.text()


def test_progress_never_goes_back(scan):
    events = list(orientation_events(scan, device="cpu"))
    done = [event.done / event.total for event in events if isinstance(event, Progress)]
    assert done == sorted(done)
    assert 0 < done[0] < done[-1] <= 1


def test_a_scan_without_light_and_a_near_field_one_are_refused(scan):
    dark = replace(scan, patterns=ArrayPatterns(np.zeros((64, 32, 32), np.uint16)))
    with pytest.raises(ScanError, match="no photon"):
        find_orientation(dark, device="cpu")
    with pytest.raises(ScanError, match="far-field"):
        find_orientation(replace(scan, near_field="it is one"), device="cpu")


@pytest.mark.data
def test_the_measured_star_is_turned_back_from_its_wrong_probe(shared_data):
    star = open_scan(shared_data / "siemens_star/siemens_star.h5")
    found = find_orientation(stored_as(star, 6), device="cpu")
    assert (found.best, found.sure) == (5, True)
    assert found.margin > 6
