"""Gaps between detector modules are unknown, not dark: the picture is the same without them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_ptychonn.reconstruction.comparison import compare
from napari_ptychonn.reconstruction.job import reconstruct
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.scan.mask import with_mask


def blind_cross(shape):
    """5 % of 40 × 40 pixels, off the direct beam."""
    mask = np.ones(shape, bool)
    mask[25], mask[:, 25] = False, False
    return mask


@pytest.fixture(scope="module")
def scan(make_scan):
    return make_scan(size=40, probe_array=None, probe="zone plate").scan


def object_of(scan, network, sweeps):
    settings = ReconstructionSettings(passes=2, sweeps=sweeps, device="cpu")
    result = reconstruct(scan, settings, network=network)
    return result.object, tuple(np.divide(result.corner, result.pixel))


@pytest.mark.parametrize("sweeps", [0, 10])
def test_five_per_cent_of_blind_pixels_change_the_object_by_less_than_five(scan, network, sweeps):
    gapped = with_mask(scan, blind_cross(scan.pattern_shape))
    assert 0.049 < (~gapped.mask).mean() < 0.051
    low, high = scan.positions_px.min(0), scan.positions_px.max(0)
    (ours, corner), (whole, place) = (object_of(each, network, sweeps) for each in (gapped, scan))
    same = compare(ours, corner, whole, place, (tuple(low), tuple(high)))
    assert same.nrmse < 0.05
    # What is read as zeros instead is seen: the test would notice.
    zeros = replace(gapped, mask=scan.mask)
    wrong, corner = object_of(zeros, network, sweeps)
    assert compare(wrong, corner, whole, place, (tuple(low), tuple(high))).nrmse > same.nrmse
