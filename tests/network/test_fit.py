"""A network that cannot work on a scan says so before any work, with sizes and a way out."""

import numpy as np
import pytest

from napari_ptychonn.errors import NetworkError
from napari_ptychonn.network.card import NetworkCard, Preprocessing
from napari_ptychonn.network.fit import check_fits
from napari_ptychonn.scan.model import Provenance, Scan


class Shaped:
    def __init__(self, height, width):
        self.shape = (5, height, width)

    def read(self, indices):
        raise AssertionError("fitting reads no pattern")


def scan(height, width=None):
    width = width or height
    return Scan(
        patterns=Shaped(height, width),
        positions=np.zeros((5, 2)),
        unit="px",
        mask=np.ones((height, width), bool),
        provenance=Provenance(None, "test"),
    )


PROBE_AWARE = NetworkCard(name="p", family="ptychonn-probe", needs_probe=True)
PUBLISHED = NetworkCard(
    name="published",
    family="ptychonn",
    pattern_size=64,
    preprocessing=Preprocessing(crop=32, resize=64, threshold=3),
)


def test_any_multiple_fits_a_network_of_any_size():
    check_fits(PROBE_AWARE, scan(64))
    check_fits(PROBE_AWARE, scan(72, 200))


def test_a_size_that_is_no_multiple_is_refused_with_the_nearest_that_is():
    with pytest.raises(NetworkError, match=r"multiples of 8, but the scan has .*100×100") as e:
        check_fits(PROBE_AWARE, scan(100))
    assert "96×96" in e.value.remedy


def test_size_counts_after_preprocessing():
    check_fits(PUBLISHED, scan(256))
    fixed = NetworkCard(
        name="f", family="ptychonn", pattern_size=64, preprocessing=Preprocessing(crop=16)
    )
    check_fits(fixed, scan(96))
    with pytest.raises(
        NetworkError, match=r"takes patterns of 64×64 .*128×128 pixels \(96×96 after"
    ):
        check_fits(fixed, scan(128))


def test_patterns_smaller_than_the_shrunk_ones_are_refused():
    with pytest.raises(NetworkError, match="leaves 32×32"):
        check_fits(PUBLISHED, scan(96))


def test_a_missing_probe_matters_only_where_none_will_be_estimated():
    check_fits(PROBE_AWARE, scan(64))
    with pytest.raises(NetworkError, match="must be told the probe"):
        check_fits(PROBE_AWARE, scan(64), probe_available=False)
    check_fits(PUBLISHED, scan(256), probe_available=False)
