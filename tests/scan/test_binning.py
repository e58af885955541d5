"""Binned patterns are sums around DC, and masks find their way to the detector and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_ptychonn.scan.binning import BinnedPatterns, bin_scan
from napari_ptychonn.scan.frames import detector_shape, mask_of_detector, mask_of_scan
from napari_ptychonn.scan.model import Provenance, Scan
from napari_ptychonn.scan.patterns import ArrayPatterns
from napari_ptychonn.scan.views import CroppedPatterns, MaskedPatterns, OrientedPatterns

sides = st.integers(9, 30)
sizes = st.tuples(sides, sides)


@given(
    size=sizes, code=st.integers(0, 7), corner=st.booleans(), window=sizes,
    factor=st.integers(1, 4), seed=st.integers(0, 99),
)  # fmt: skip
def test_a_mask_of_the_detector_goes_to_the_scan_as_its_pixels_do(
    size, code, corner, window, factor, seed
):
    mask = np.random.default_rng(seed).random(size) < 0.7
    window = tuple(factor * (side // factor) for side in window)
    chain = BinnedPatterns(
        CroppedPatterns(OrientedPatterns(ArrayPatterns(mask[None] * 1), corner, code), window),
        factor,
    )
    assert detector_shape(MaskedPatterns(chain, np.ones(chain.shape[1:], bool))) == size
    moved = mask_of_scan(chain, mask)
    # A sum over a square of a picture of ones counts its good pixels.
    np.testing.assert_array_equal(moved, chain.read(np.array([0]))[0] == factor**2)
    back = mask_of_detector(chain, moved)
    assert back.shape == size
    np.testing.assert_array_equal(mask_of_scan(chain, back), moved)
    # What the scan masks was masked on the detector, but for the rest of a square.
    if factor == 1:
        assert not (mask & ~back).any()


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("side", [24, 25, 36])
def test_the_direct_beam_stays_in_the_middle_pixel(side, factor):
    frame = np.zeros((1, side, side))
    frame[0, side // 2, side // 2] = 7
    small = side // factor
    cropped = CroppedPatterns(ArrayPatterns(frame), (small * factor,) * 2)
    binned = BinnedPatterns(cropped, factor).read(np.array([0]))[0]
    assert binned[small // 2, small // 2] == 7
    assert binned.sum() == 7


@pytest.mark.parametrize("factor", [2, 3])
def test_the_probe_of_a_binned_scan_makes_the_binned_pattern(factor):
    """A smooth small probe on nothing: its pattern is as fine as one of the smaller window."""
    side = 48
    y, x = np.mgrid[:side, :side] - side // 2
    probe = np.exp(-(y**2 + x**2) / 4.0 + 0.4j * x).astype(np.complex64)[None]
    far = np.fft.fftshift(np.abs(np.fft.fft2(np.fft.ifftshift(probe[0]))) ** 2)
    pattern = np.broadcast_to(far, (2, side, side))
    scan = Scan(
        ArrayPatterns(pattern), np.eye(2), "px", np.ones((side, side), bool),
        Provenance(None, "made here"), probe=probe,
    )  # fmt: skip
    binned = bin_scan(scan, factor)
    wave = np.fft.fft2(np.fft.ifftshift(binned.probe[0]))
    expected = np.fft.fftshift(np.abs(wave) ** 2) * factor**2
    read = binned.patterns.read(np.array([0]))[0]
    # The mean over a square differs from its middle in the second order: a few per cent.
    good = binned.mask
    assert np.abs(read - expected)[good].sum() < 0.05 * expected[good].sum()
    np.testing.assert_array_equal(binned.positions, scan.positions)
