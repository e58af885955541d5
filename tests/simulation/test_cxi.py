"""CXI files say what the simulation knows, and appear only when they are complete."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from napari_ptychonn.errors import OutputError, ScanError
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.results.open import open_result
from napari_ptychonn.simulation.cxi import read_truth, write_cxi
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate, simulate_to_cxi

SETTINGS = SimulationSettings(
    size=32, points=30, step_px=3.0, gap_px=2, second_mode=0.1, position_error_px=0.4, seed=4
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "scan.cxi"
    simulate_to_cxi(path, SETTINGS)
    with h5py.File(path) as opened:
        yield opened


def test_the_patterns_on_disk_are_those_in_memory(file):
    scan, _ = simulate(SETTINGS)
    stored = file["entry_1/data_1/data"]
    assert stored.attrs["axes"] == "translation:y:x"
    assert stored.chunks == (1, 32, 32)
    assert stored.dtype.kind == "u"
    np.testing.assert_array_equal(stored[()], scan.patterns.read(np.arange(30)))


def test_translation_is_the_probe_position_as_x_y_z_in_metres(file):
    scan, _ = simulate(SETTINGS)
    for place in ("data_1", "instrument_1/detector_1", "sample_1/geometry_1"):
        translation = file["entry_1"][place]["translation"][()]
        np.testing.assert_array_equal(translation[:, [1, 0]], scan.positions)
        assert (translation[:, 2] == 0).all()


def test_geometry_and_mask_follow_the_standard(file):
    assert file["cxi_version"][()] == 160
    source = file["entry_1/instrument_1/source_1"]
    # 8.8 keV in joules, by the elementary charge.
    assert source["energy"][()] == pytest.approx(8800 * 1.602176634e-19, rel=1e-6)
    detector = file["entry_1/instrument_1/detector_1"]
    assert detector["distance"][()] == 2.0
    assert detector["x_pixel_size"][()] == detector["y_pixel_size"][()] == 75e-6
    scan, _ = simulate(SETTINGS)
    np.testing.assert_array_equal(detector["mask"][()] == 0, scan.mask)


def test_the_illumination_says_whether_it_is_a_guess(file, tmp_path):
    probe = file["entry_1/instrument_1/source_1/illumination"]
    scan, _ = simulate(SETTINGS)
    np.testing.assert_array_equal(probe[()], scan.probe)
    assert not probe.attrs["is_guess"]
    guessed = replace(SETTINGS, guess_defocus=0.3)
    simulate_to_cxi(tmp_path / "guess.cxi", guessed)
    with h5py.File(tmp_path / "guess.cxi") as other:
        probe = other["entry_1/instrument_1/source_1/illumination"]
        assert probe.attrs["is_guess"]
        np.testing.assert_array_equal(probe[()], simulate(guessed).scan.probe)
        assert not np.allclose(probe[0], other["truth/probe"][0], rtol=0.01)


def test_the_truth_comes_back_as_it_was(file):
    read, made = read_truth(file.filename), simulate(SETTINGS).truth
    np.testing.assert_array_equal(read.object, made.object)
    np.testing.assert_array_equal(read.probe, made.probe)
    np.testing.assert_array_equal(read.positions, made.positions)
    assert (read.pixel_m, read.corner_m) == (made.pixel_m, made.corner_m)


def test_the_truth_opens_as_a_result_without_its_probe(file):
    made = simulate(SETTINGS).truth
    result = open_result(file.filename)
    np.testing.assert_array_equal(result.object, made.object)
    np.testing.assert_allclose(result.pixel, made.pixel_m)
    np.testing.assert_allclose(result.corner, made.corner_m)
    np.testing.assert_array_equal(result.positions, made.positions)
    # The illumination of the file may be a wrong guess on purpose, and stands for the probe.
    assert result.probe is None


def test_a_file_without_truth_is_said_to_have_none(tmp_path):
    path = tmp_path / "plain.cxi"
    write_cxi(path, simulate(SETTINGS).scan)
    with pytest.raises(ScanError, match=r"plain\.cxi.*/truth"):
        read_truth(path)


def test_a_run_that_breaks_off_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "scan.cxi"
    path.write_bytes(b"the old one")

    def break_off(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_to_cxi(path, SETTINGS, on_progress=break_off)
    assert path.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [path]


def test_progress_reaches_the_number_of_patterns(tmp_path):
    steps = []
    simulate_to_cxi(tmp_path / "a.cxi", SETTINGS, on_progress=lambda *step: steps.append(step))
    assert steps[-1] == (30, 30)


def test_a_folder_that_is_not_there_is_made_and_a_file_in_its_place_is_named(tmp_path):
    simulate_to_cxi(tmp_path / "new" / "a.cxi", SETTINGS)
    assert (tmp_path / "new" / "a.cxi").is_file()
    (tmp_path / "nowhere").touch()
    with pytest.raises(OutputError, match=r"nowhere.*cannot be written"):
        simulate_to_cxi(tmp_path / "nowhere" / "a.cxi", SETTINGS)


def test_a_scan_in_pixels_cannot_become_a_cxi_file(tmp_path):
    scan = replace(simulate(SETTINGS).scan, unit="px", pixel_m=None, geometry=None)
    with pytest.raises(OutputError, match="no geometry"):
        write_cxi(tmp_path / "a.cxi", scan)
    assert list(tmp_path.iterdir()) == []


def test_the_loader_opens_the_file_as_the_scan_that_was_simulated(tmp_path):
    settings = replace(SETTINGS, guess_defocus=0.3, points=60)
    simulate_to_cxi(tmp_path / "a.cxi", settings)
    made = simulate(settings).scan
    read = open_scan(tmp_path / "a.cxi")
    np.testing.assert_allclose(read.positions, made.positions, rtol=1e-12)
    np.testing.assert_array_equal(read.probe, made.probe)
    np.testing.assert_allclose(read.pixel_m, made.pixel_m, rtol=1e-9)
    assert (read.unit, read.probe_is_guess, read.near_field) == ("m", True, None)
    # More pixels may be found bad in the data, but none of the gap may be taken as good.
    assert not read.mask[~made.mask].any()
    assert read.mask.mean() > 0.8
    np.testing.assert_array_equal(frames(read) * read.mask, frames(made) * read.mask)


def frames(scan):
    return scan.patterns.read(np.arange(scan.n_points))
