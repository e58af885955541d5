"""Measured scans open as what they are."""

import numpy as np
import pytest

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.open import is_scan, open_scan
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.orientation import orient

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def star(shared_data):
    return open_scan(shared_data / "siemens_star/siemens_star.h5")


def test_the_siemens_star_opens_in_pixels_with_a_guessed_probe(star, shared_data):
    assert is_scan(shared_data / "siemens_star/siemens_star.h5")
    assert star.patterns.shape == (516, 128, 128)
    assert (star.unit, star.pixel_m, star.probe_is_guess) == ("px", None, True)
    assert any("pixels" in sentence for sentence in star.provenance.assumptions)
    mean = star.patterns.read(np.arange(0, 516, 16)).mean(0)
    y, x = np.mgrid[:128, :128] - 64
    assert mean[np.hypot(y, x) < 40].sum() > 0.9 * mean.sum()
    # Its lines and streak carry light: nothing in it is dead or hot, and DC is kept.
    assert star.mask.mean() > 0.999
    assert star.mask[60:68, 60:68].all()


def test_the_reference_explains_the_star_in_the_convention_and_in_no_other(star, shared_data):
    with np.load(shared_data / "siemens_star/epie_reference.npz") as stored:
        sample, probe = stored["object"], stored["probe"]
    indices = np.arange(0, 516, 12)
    corners = np.round(star.positions - star.positions.min(0) + 10).astype(int)[indices]
    waves = np.stack([probe * sample[i : i + 128, j : j + 128] for i, j in corners])
    modelled = np.abs(np.fft.fftshift(np.fft.fft2(waves, norm="ortho"), axes=(-2, -1)))
    counts = star.patterns.read(indices)
    misfits = []
    for code in range(8):
        measured = np.sqrt(orient(counts, code))
        misfits.append(np.square(measured - modelled).sum() / counts.sum())
    # The reference's own residual is 0.018; a wrong orientation leaves above 0.1.
    assert misfits[0] < 0.025
    assert min(misfits[1:]) > 0.1


def test_the_near_field_file_loads_and_says_what_it_is(shared_data):
    path = shared_data / "near_field_cxi/PETRAIII_P25_Near_Field_Ptycho.cxi"
    assert is_scan(path)
    scan = open_scan(path)
    assert scan.n_points == 200
    assert scan.geometry.distance_m == pytest.approx(1.12)
    assert scan.geometry.energy_ev == pytest.approx(12658, rel=1e-3)
    assert scan.near_field is not None
    assert "near-field" in scan.near_field


def test_the_ptychonn_scan_opens_with_unit_and_pixel(shared_data):
    path = shared_data / "ptychonn_scan235/test235_truncated.npz"
    options = ScanOptions(positions_unit="m", pixel_m=8e-9)
    scan = open_scan(path, options)
    assert scan.patterns.shape == (20, 512, 512)
    total = scan.patterns.read(np.arange(20)).sum(0)
    # Its dead pixels lie in the bright ring; one of them is (292, 243).
    assert not scan.mask[292, 243]
    assert total[~scan.mask].sum() == 0
    assert (~scan.mask).sum() < 100
    csv = shared_data / "ptychonn_scan235/pos235.csv"
    with pytest.raises(ScanError, match=r"961 positions.*20 patterns"):
        open_scan(path, ScanOptions(positions_file=csv, positions_unit="m", pixel_m=8e-9))
