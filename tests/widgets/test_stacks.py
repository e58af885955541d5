"""Lazy stacks: indexed like arrays, read in small batches."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ptychonn.widgets.stacks import LazyStack, patches_of_points

STACK = np.arange(7 * 3 * 4, dtype=np.float32).reshape(7, 3, 4)
KEYS = [
    3, -1, np.int64(2), slice(None), slice(1, 6, 2), slice(5, 5), [4, 0], ..., (2, ...),
    (slice(None), 1), (slice(2, 4), slice(None), 2), (..., 3), (1, 2, 3), (slice(None), 1, 2),
    (3, slice(1, 3), slice(None, None, 2)),
]  # fmt: skip


@pytest.fixture(autouse=True)
def no_leaks() -> None:
    """Nothing here has a window that could leak."""


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_a_stack_is_indexed_like_an_array(key: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Two frames a batch, so that batches are joined.
    monkeypatch.setattr("napari_ptychonn.widgets.stacks.BATCH_BYTES", 2 * STACK[0].nbytes)
    stack = LazyStack(STACK.shape, lambda indices: STACK[indices])
    assert np.array_equal(np.asarray(stack[key]), STACK[key])


def test_a_stack_never_reads_more_than_a_batch_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_ptychonn.widgets.stacks.BATCH_BYTES", 2 * STACK[0].nbytes)
    sizes: list[int] = []

    def read(indices: NDArray[np.intp]) -> NDArray[np.float32]:
        sizes.append(len(indices))
        return STACK[indices]

    stack = LazyStack(STACK.shape, read)
    assert np.array_equal(np.asarray(stack), STACK)
    assert sizes == [2, 2, 2, 1]
    assert copy.deepcopy(stack) is stack
    assert sum(1 for _ in stack) == 7


@pytest.mark.parametrize("key", [7, (0, 0, 0, 0), (0, [1, 2])], ids=str)
def test_an_index_that_a_stack_does_not_have_is_an_index_error(key: Any) -> None:
    with pytest.raises(IndexError):
        LazyStack(STACK.shape, lambda indices: STACK[indices])[key]


def test_patches_come_in_the_order_of_the_scan() -> None:
    patches = np.array([1, 2j, -3]).reshape(3, 1, 1).astype(np.complex64)
    stack = patches_of_points(patches, np.array([4, 0, 2]), np.abs)
    assert np.asarray(stack)[:, 0, 0] == pytest.approx([2, np.nan, 3, np.nan, 1], nan_ok=True)
