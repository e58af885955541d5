"""A small scan with known object and probe, without noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_ptychonn.optics.propagation import diffract
from napari_ptychonn.optics.windows import cut_windows, window_indices
from napari_ptychonn.simulation.probes import PupilSettings, probe_from_pupil
from napari_ptychonn.simulation.samples import Contrast, compose, painter


class World(NamedTuple):
    """Truth and what is measured of it."""

    object: Tensor
    probe: Tensor
    indices: Tensor
    amplitude: Tensor

    @property
    def patches(self) -> Tensor:
        return cut_windows(self.object, self.indices)


@pytest.fixture(scope="session")
def world() -> World:
    """64 points of 32×32 patterns, 3 px apart; 1e5 photons a pattern, no noise."""
    size, side, step = 32, 8, 3
    shape = (size + (side - 1) * step,) * 2
    rng = np.random.default_rng(2)
    contrast = Contrast("independent", lowest=0.6, phase_range=1.5)
    sample = compose(painter("dead-leaves"), painter("dead-leaves"), shape, rng, contrast)
    object_ = torch.from_numpy(sample)
    pupil = PupilSettings(radius=0.22, stop=0.3, defocus=0.12)
    probe = torch.from_numpy(probe_from_pupil(pupil, size))[None] * 1e5**0.5
    corners = torch.from_numpy(np.stack(np.divmod(np.arange(side**2), side), 1) * step)
    indices = window_indices(corners, (size, size), shape[1])
    amplitude = diffract(probe, cut_windows(object_, indices)).sqrt()
    return World(object_, probe, indices, amplitude)
