"""Probe-weighted stitching of patches into the object."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from napari_ptychonn.optics.windows import add_windows
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.points import spatial_order
from napari_ptychonn.reconstruction.synchronise import cell_rows, cell_size, synchronise

__all__ = ["Pass", "Stitch", "lit_pixels"]

_HELD_BYTES = 64 * 2**20
_UNLIT = 1e-3


class Stitch:
    """Running sums of weighted patches.

    Parameters
    ----------
    shape : tuple of int
        Object (H, W), pixels.
    device : torch.device
        Where the sums live.
    """

    def __init__(self, shape: tuple[int, int], device: torch.device) -> None:
        self._values = torch.zeros(shape, dtype=torch.complex64, device=device)
        self._power = torch.zeros(shape, device=device)
        self.weight = torch.zeros(shape, device=device)

    def add(self, patches: Tensor, weight: Tensor, indices: Tensor) -> None:
        """Add patches (B, h, w) that agree in phase, with weights (B, h, w) of |P|²."""
        weight = weight.expand_as(patches.real)
        add_windows(self._values, indices, weight * patches)
        add_windows(self._power, indices, weight * patches.abs().square())
        add_windows(self.weight, indices, weight)

    def merge(self, other: Stitch, turn: Tensor) -> None:
        """Add another stitch of the same shape, multiplied by the unit factor `turn`."""
        self._values += other._values * turn
        self._power += other._power
        self.weight += other.weight

    @property
    def lit(self) -> Tensor:
        """Where enough light fell, (H, W) bool."""
        return lit_pixels(self.weight)

    def object(self) -> Tensor:
        """Weighted mean (H, W) complex64; where no light fell, the mean of the rest."""
        mean = self._values.sum() / self.weight.sum().clamp_min(1e-30)
        return torch.where(self.lit, self._values / self.weight.clamp_min(1e-30), mean)

    def disagreement(self) -> Tensor:
        """Weighted standard deviation (H, W) of the patches around their mean."""
        weight = self.weight.clamp_min(1e-30)
        spread = self._power / weight - (self._values / weight).abs().square()
        return spread.clamp_min(0).sqrt()


def lit_pixels(light: Tensor) -> Tensor:
    """Where enough light fell, (H, W) bool: a thousandth of the typical lit pixel's.

    What is typical counts pixels by the light they hold, not by area, so that wide dim
    margins do not lower it.
    """
    typical = light.square().sum() / light.sum().clamp_min(1e-30)
    return light > _UNLIT * typical.clamp_min(1e-30)


class Pass:
    """Stitches patches of unknown global phase as they come in.

    Patches are held until 64 MB are full; then their phases are settled, they go into
    the sums, and only their cell sums stay to anchor what follows.

    Parameters
    ----------
    frame : Frame
        Places of all points that will come.
    device : torch.device
        Where patches live.
    """

    def __init__(self, frame: Frame, device: torch.device) -> None:
        self._frame = frame
        self._device = device
        self._cell = cell_size(frame.n_points, frame.patch_shape)
        self._settled = Stitch(frame.shape, device)
        self._phases = np.zeros(0, np.complex64)
        self._rows: list[csr_array] = []
        self._seen: list[Tensor] = []
        self._held: list[tuple[Tensor, Tensor, Tensor]] = []
        self._held_bytes = 0

    def add(self, patches: Tensor, weight: Tensor, points: Tensor) -> None:
        """Take patches (B, h, w) with weights (B or 1, h, w) of `points` (B,)."""
        place = self._frame.subset(points)
        self._rows.append(cell_rows(patches, weight, place, self._cell))
        self._seen.append(points)
        self._held.append((patches, weight, points))
        self._held_bytes += patches.numel() * 8
        if self._held_bytes > _HELD_BYTES:
            self._settled = self.stitch()
            self._held, self._held_bytes = [], 0

    def stitch(self) -> Stitch:
        """Synchronise all that came in so far, and stitch it."""
        settled = len(self._phases) if not self._held else self._first_held()
        fixed = self._phases[:settled] if settled else None
        order = spatial_order(self._frame.corners[self.points()].cpu().numpy().astype(np.float64))
        self._phases = synchronise(self._rows, order, fixed)
        result = Stitch(self._frame.shape, self._device)
        result.merge(self._settled, torch.ones((), device=self._device))
        start = settled
        for patches, weight, points in self._held:
            turn = torch.from_numpy(self._phases[start : start + len(points)].conj())
            turned = patches * turn.to(self._device)[:, None, None]
            result.add(turned, weight, self._frame.indices(points))
            start += len(points)
        return result

    def phases(self) -> NDArray[np.complex64]:
        """Unit phases found last, in the order in which the points came."""
        return self._phases

    def points(self) -> Tensor:
        """Numbers of the points that came, in that order."""
        return torch.cat(self._seen)

    def _first_held(self) -> int:
        held = sum(len(points) for _, _, points in self._held)
        return sum(row.shape[0] for row in self._rows) - held
