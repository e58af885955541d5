"""The suite tests what training has never seen, and hands no truth to a method."""

import ast
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from suite import CASES, standard_set
from suite_probes import PROBES, Lens, Pinhole, diameter_px
from suite_samples import PICTURES, picture

import napari_ptychonn
from napari_ptychonn.simulation.probes import PROBE_KINDS, make_probe, random_pupil
from napari_ptychonn.simulation.samples import SAMPLE_KINDS
from napari_ptychonn.training import drawn_samples

PACKAGE = Path(napari_ptychonn.__file__).parent
LENSES = [kind for kind in PROBE_KINDS if kind != "pinhole"]
SMALL = "moon-coins-overlap-40"


def test_training_draws_no_sample_of_the_suite(monkeypatch):
    drawn = []

    def spy(kind):
        drawn.append(kind)
        return lambda shape, _: np.zeros(shape, np.float32)

    monkeypatch.setattr(drawn_samples, "painter", spy)
    rng = np.random.default_rng(0)
    for _ in range(500):
        drawn_samples.training_sample((8, 8), rng)
    # All kinds but those left out: 500 draws of a dozen kinds miss none.
    assert set(drawn) == set(SAMPLE_KINDS) - set(drawn_samples.HELD_OUT_SAMPLES)
    assert not set(drawn) & set(PICTURES)
    assert set(PICTURES) & set(SAMPLE_KINDS) == set(drawn_samples.HELD_OUT_SAMPLES)


def test_nothing_in_the_package_can_read_the_photographs():
    texts = {path: path.read_text() for path in PACKAGE.rglob("*.py")}
    for path in [path for path, text in texts.items() if "skimage" in text]:
        for node in ast.walk(ast.parse(texts[path])):
            names = [alias.name for alias in getattr(node, "names", []) if hasattr(alias, "name")]
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{name}" for name in names]
            assert not [name for name in names if name.startswith("skimage.data")], path


def test_training_draws_no_probe_of_the_suite():
    rng = np.random.default_rng(1)
    trained = [make_probe(kind, 64, rng) for kind in PROBE_KINDS for _ in range(60)]
    for name, optic in PROBES.items():
        wave = optic.wave(64)
        nearest = max(abs(np.vdot(wave, probe)) for probe in trained)
        assert nearest < 0.95, name


@pytest.mark.parametrize("name", [name for name in PROBES if isinstance(PROBES[name], Lens)])
def test_a_lens_of_the_suite_lies_outside_the_ranges_of_training(name):
    rng = np.random.default_rng(2)
    drawn = [random_pupil(kind, rng) for kind in LENSES for _ in range(200)]
    lens = PROBES[name]
    if lens.round:
        assert lens.stop > max(pupil.stop for pupil in drawn)
    else:
        assert lens.reach[0] / lens.reach[1] > max(pupil.aspect for pupil in drawn)
    # No trained pupil has a middle of its light, or an error of its wavefront, of its own.
    assert lens.light != (0, 0)
    assert lens.wavefront_rad > 0


def test_the_pinhole_of_the_suite_is_farther_away_than_any_of_training():
    pinholes = [optic for optic in PROBES.values() if isinstance(optic, Pinhole)]
    assert pinholes
    # Training draws Fresnel numbers from 1.5 to 50, and round holes.
    assert all(pinhole.fresnel_number < 1.5 for pinhole in pinholes)


def test_the_suite_covers_what_it_promises():
    cases = list(CASES.values())
    assert len(cases) >= 16
    assert len(standard_set()) >= 8
    assert {case.size for case in cases} == {64, 128, 256}
    assert {case.photons for case in cases} == {1e2, 1e3, 1e4, 1e5, 1e6}
    assert {case.overlap for case in cases} == {0.9, 0.75, 0.6, 0.4}
    assert {case.told for case in cases} == {"all", "first mode", "out of focus", "nothing"}
    assert {case.probe for case in cases} == set(PROBES)
    assert any(case.second_mode for case in cases)
    assert any(case.position_error_px == 0.5 for case in cases)
    assert all(200 <= case.points <= 1600 for case in cases)
    assert all(CASES[case.twin].is_standard for case in cases if case.twin)


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_comes_with_contrast_and_without_the_network(name):
    found = picture(name, 60)
    assert found.shape == (60, 60)
    assert (found.min(), found.max()) == (0, 1)
    assert found.std() > 0.05


def test_the_diameter_of_an_even_disc_holds_nine_tenths_of_its_area():
    y, x = np.mgrid[-64:64, -64:64]
    disc = (np.hypot(y, x) < 30).astype(np.complex64)
    # The area of a disc on a grid is off by about its rim's roughness, below 1 %.
    assert diameter_px(disc) == pytest.approx(60 * np.sqrt(0.9), rel=0.01)


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_of_the_suite_stays_inside_its_window(name):
    light = np.abs(PROBES[name].wave(64)) ** 2
    assert light.sum() == pytest.approx(1, rel=1e-5)
    light[2:-2, 2:-2] = 0
    assert light.sum() < 0.01


def test_a_scan_is_the_same_every_time_and_has_its_step_and_dose():
    (scan, truth), (again, _) = CASES[SMALL].make(), CASES[SMALL].make()
    every = np.arange(scan.n_points)
    np.testing.assert_array_equal(scan.patterns.read(every), again.patterns.read(every))
    assert scan.n_points == CASES[SMALL].points
    assert (np.abs(truth.probe) ** 2).sum() == pytest.approx(CASES[SMALL].photons, rel=1e-4)
    distances = np.linalg.norm(scan.positions_px[:, None] - scan.positions_px[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    # A jittered raster: the nearest neighbour is a little nearer than the step.
    nearest = np.median(distances.min(0))
    assert 0.5 * CASES[SMALL].step_px < nearest < CASES[SMALL].step_px


def arrays(value):
    """All arrays inside a dataclass, and their types' names."""
    if isinstance(value, np.ndarray):
        yield value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from arrays(getattr(value, field.name))
    elif hasattr(value, "__dict__"):
        for held in vars(value).values():
            yield from arrays(held)


@pytest.mark.parametrize("name", ["camera-coins-wrong-probe", "gravel-no-probe"])
def test_a_scan_holds_nothing_of_the_truth(name):
    scan, truth = CASES[name].make()
    held = list(arrays(scan))
    assert not [array for array in held if np.iscomplexobj(array) and array.ndim == 2]
    for array in held:
        assert array.shape != truth.object.shape
        if np.iscomplexobj(array):
            known = np.vdot(array[0], truth.probe[0])
            known /= np.linalg.norm(array[0]) * np.linalg.norm(truth.probe[0])
            # A defocus off by 30 % leaves the inner rays nearly where they were.
            assert abs(known) < 0.95
    assert (scan.probe is None) == (CASES[name].told == "nothing")
    assert scan.probe_is_guess == (CASES[name].told == "out of focus")


def test_a_hidden_mode_is_in_the_patterns_and_not_in_the_probe():
    scan, truth = CASES["camera-coins-hidden-mode"].make()
    assert len(truth.probe) == 2
    assert scan.probe is not None
    assert len(scan.probe) == 1


def test_recorded_positions_are_wrong_by_what_the_case_says():
    scan, truth = CASES["gravel-positions"].make()
    error = (scan.positions - truth.positions) / truth.pixel_m
    # 882 numbers: their standard deviation is known to 2.4 %.
    assert error.std() == pytest.approx(0.5, rel=0.1)


def test_no_method_looks_at_the_truth():
    tree = ast.parse((Path(__file__).parents[2] / "benchmarks/quality_methods.py").read_text())
    read = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert "truth" not in read
