"""Stacks put together or squared read as the arrays that they stand for."""

import pickle

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.combined import ConcatenatedPatterns, SquaredPatterns
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.patterns import ArrayPatterns, H5Patterns

STACK = np.random.default_rng(3).integers(0, 1000, (20, 4, 6)).astype(np.uint16)


@given(
    st.lists(st.integers(1, 19), max_size=5, unique=True).map(sorted),
    st.lists(st.integers(0, 19), max_size=40),
)
def test_parts_in_a_row_read_like_the_whole_stack_in_any_order(cuts, wanted):
    parts = [ArrayPatterns(part) for part in np.split(STACK, cuts)]
    whole = ConcatenatedPatterns(parts)
    assert whole.shape == STACK.shape
    frames = whole.read(np.asarray(wanted, np.intp))
    assert frames.dtype == np.float32
    np.testing.assert_array_equal(frames, STACK[wanted] if wanted else STACK[:0])


def test_parts_on_disk_are_opened_only_where_they_are_wanted(tmp_path):
    sources = []
    for number, part in enumerate(np.split(STACK, 4)):
        path = tmp_path / f"part{number}.h5"
        with h5py.File(path, "w") as file:
            file["data"] = part
        sources.append(H5Patterns(path, "data"))
    whole = pickle.loads(pickle.dumps(ConcatenatedPatterns(sources)))
    np.testing.assert_array_equal(whole.read(np.array([19, 0, 7])), STACK[[19, 0, 7]])
    (tmp_path / "part2.h5").unlink()
    np.testing.assert_array_equal(whole.read(np.array([4, 16])), STACK[[4, 16]])
    with pytest.raises(ScanError, match=r"part2\.h5"):
        whole.read(np.array([4, 11]))


def test_parts_of_different_size_and_no_parts_are_refused():
    with pytest.raises(ScanError, match=r"scan\.h5.*part 1 has patterns of 3 × 6 .* 4 × 6"):
        ConcatenatedPatterns([ArrayPatterns(STACK), ArrayPatterns(STACK[:, :3])], "scan.h5")
    with pytest.raises(ScanError, match="no stack"):
        ConcatenatedPatterns([])


def test_amplitudes_are_read_as_counts():
    source = SquaredPatterns(ArrayPatterns(np.sqrt(STACK, dtype=np.float64)))
    assert source.shape == STACK.shape
    frames = source.read(np.array([5, 2]))
    assert frames.dtype == np.float32
    # The root is stored to 24 bits, so its square is good to one part in 2^23.
    np.testing.assert_allclose(frames, STACK[[5, 2]], rtol=3e-7)


def test_negative_amplitudes_are_refused_not_squared_away():
    amplitudes = np.sqrt(STACK, dtype=np.float32)
    amplitudes[3, 1, 1] = -1
    with pytest.raises(ScanError, match="negative"):
        SquaredPatterns(ArrayPatterns(amplitudes)).read(np.array([3]))


@pytest.mark.parametrize("index", [-1, 3])
def test_a_pattern_that_is_not_there_is_an_index_error(index):
    for source in (ArrayPatterns(STACK[:2]), ArrayPatterns(STACK[:1])):
        whole = ConcatenatedPatterns([source, ArrayPatterns(STACK[: 3 - source.shape[0]])])
        assert isinstance(whole, PatternSource)
        with pytest.raises(IndexError):
            whole.read(np.array([index]))
