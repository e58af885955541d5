"""Which samples a training draws, and which are kept for validation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.simulation.painters import Painter
from napari_ptychonn.simulation.samples import SAMPLE_KINDS, compose, make_sample, painter
from napari_ptychonn.simulation.textures import blended, paint_rough

__all__ = [
    "HELD_OUT_SAMPLES",
    "VALIDATION_SEED",
    "held_out_sample",
    "polishing_sample",
    "training_sample",
]

HELD_OUT_SAMPLES = ("siemens-star",)
"""Sample kinds that no training draws from; validation does."""
VALIDATION_SEED = 20_201_027

_FREQUENCY = {"natural": 3.0, "dead-leaves": 1.5, "fractal": 1.5}
"""How often a kind is drawn in training, against 1 for the others."""


def training_sample(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.complex64]:
    """Sample of kinds that are not held out: one, or one each for amplitude and phase."""
    kinds = [kind for kind in SAMPLE_KINDS if kind not in HELD_OUT_SAMPLES]
    weights = np.array([_FREQUENCY.get(kind, 1.0) for kind in kinds])
    first, second = (str(kind) for kind in rng.choice(kinds, 2, p=weights / weights.sum()))
    return compose(painter(first), painter(first if rng.random() < 0.5 else second), shape, rng)


def polishing_sample(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.complex64]:
    """Sample that is stranger than those of :func:`training_sample`, half of the time.

    Kinds are blended, and rough ones are among them: a network that knows clean kinds alone
    takes for noise what it has not seen.
    """
    if rng.random() < 0.5:
        return training_sample(shape, rng)
    first, second = (_strange_painter(rng) for _ in range(2))
    return compose(first, first if rng.random() < 0.5 else second, shape, rng)


def held_out_sample(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.complex64]:
    """Sample of a kind that is held out."""
    return make_sample(str(rng.choice(HELD_OUT_SAMPLES)), shape, rng)


def _strange_painter(rng: np.random.Generator) -> Painter:
    if rng.random() < 0.3:
        return paint_rough
    kinds = [kind for kind in SAMPLE_KINDS if kind not in HELD_OUT_SAMPLES]
    first, second = (painter(str(kind)) for kind in rng.choice(kinds, 2))
    return blended(first, paint_rough if rng.random() < 0.4 else second)
