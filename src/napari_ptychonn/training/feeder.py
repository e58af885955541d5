"""What a training draws, made by other processes while this one computes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from napari_ptychonn.training.recipes import Recipe

__all__ = ["drawn_examples", "generator_of"]


def drawn_examples(recipe: Recipe, seed: int, first: int, workers: int) -> Iterator[Any]:
    """What `recipe` draws, from number `first` on, without end.

    Every one has random numbers of its own, so that they are the same however many processes
    draw them, and wherever one begins.

    Parameters
    ----------
    recipe : Recipe
        What draws.
    seed : int
        Seed of the training.
    first : int
        Number of the first one that is wanted.
    workers : int
        Processes that draw; 0: this one.
    """
    stream = _Stream(recipe, seed, first)
    loader = DataLoader(
        stream, batch_size=None, num_workers=workers, worker_init_fn=_alone,
        prefetch_factor=2 if workers else None,
    )  # fmt: skip
    yield from loader


def generator_of(seed: int, number: int, *, drawing: bool) -> np.random.Generator:
    """Random numbers of one example: for drawing it, or for what is done with it."""
    return np.random.default_rng((seed, number, int(drawing)))


class _Stream(IterableDataset[Any]):
    """Examples by number; with several processes each makes every so manyth."""

    def __init__(self, recipe: Recipe, seed: int, first: int) -> None:
        super().__init__()
        self._recipe, self._seed, self._first = recipe, seed, first

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        offset, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        number = self._first + offset
        while True:
            yield self._recipe.draw(generator_of(self._seed, number, drawing=True))
            number += stride


def _alone(_: int) -> None:
    """One thread to a process; to stop is for the process that asked for the examples."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
