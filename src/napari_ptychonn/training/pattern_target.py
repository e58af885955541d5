"""What a `ptychonn` network's patches are compared with: a label, and measured patterns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from napari_ptychonn.optics.propagation import exit_waves, intensity, to_detector
from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.placed import object_on
from napari_ptychonn.training.inputs import Inputs
from napari_ptychonn.training.labels import cut_labels
from napari_ptychonn.training.losses import deviance
from napari_ptychonn.training.rooms import Room
from napari_ptychonn.training.simulated_pairs import simulate_pairs
from napari_ptychonn.training.taught import TaughtScan

__all__ = ["PatchMisfit", "Target", "label_on", "patch_misfit", "published_error"]

_GAUGED = 32


@dataclass(frozen=True, slots=True)
class Target:
    """What patches are compared with.

    Attributes
    ----------
    scan : TaughtScan
        The scan.
    inputs : Inputs
        The patterns of its points, as the network is shown them.
    room : Room
        The points.
    object : Tensor, (H, W) complex64
        On the room's frame.
    known : Tensor, (H, W) bool
        Where it is known.
    photons : bool
        Whether the patterns are photon counts.
    gain : float
        Photons measured for each that probe and object give: an object of another program
        may have a scale of its own.
    """

    scan: TaughtScan
    inputs: Inputs
    room: Room
    object: Tensor
    known: Tensor
    photons: bool = True
    gain: float = 1.0

    @property
    def gives_patterns(self) -> bool:
        """Whether patterns can be computed from it."""
        return self.scan.label is not None and self.scan.probe is not None

    @torch.no_grad()
    def brightness(self) -> float:
        """Photons measured over those modelled, at some points."""
        if self.scan.probe is None:
            return 1.0
        few = max(1, self.room.n_points // _GAUGED)
        points = torch.arange(0, self.room.n_points, few, device=self.object.device)
        patches = cut_labels(self.object, self.room.frame, points)
        mask = self.room.measurements.mask
        modelled = (intensity(to_detector(exit_waves(self.scan.probe, patches))) * mask).sum()
        counts = (self.room.measurements.counts(points) * mask).sum()
        return float(counts / modelled.clamp_min(1e-30))

    def computed(
        self, points: Tensor, generator: torch.Generator, free: int = 0
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Patterns (B, h, w), DC at the corner, their patches, and the weight of those.

        The first `free` of them are turned by any angle and zoomed.
        """
        assert self.scan.probe is not None
        patterns, patches, sure = simulate_pairs(
            self.object, self.known, self.room.frame, self.gain**0.5 * self.scan.probe, points,
            generator, photons=self.photons, free=free,
        )  # fmt: skip
        return patterns, patches, self.scan.weight * sure

    def patches(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Patches (B, h, w) of the object at points (B,), and the weight of their pixels."""
        frame = self.room.frame
        sure = cut_windows(self.known, frame.indices(points))
        return cut_labels(self.object, frame, points), self.scan.weight * sure


def published_error(patches: Tensor, wanted: Tensor, known: Tensor) -> Tensor:
    """Mean absolute error of the amplitude plus that of the phase, where labels are known."""
    amplitude = (patches.abs() - wanted.abs()).abs()
    phase = (patches.angle() - wanted.angle()).abs()
    return ((amplitude + phase) * known).sum() / known.sum().clamp_min(1)


class PatchMisfit(NamedTuple):
    """Deviance, Σ(√I − |F(P·O)|)² and ΣI of every patch, (B,) each, photons."""

    deviance: Tensor
    missed: Tensor
    counted: Tensor


def patch_misfit(scan: TaughtScan, room: Room, patches: Tensor, points: Tensor) -> PatchMisfit:
    """Compare the diffraction patterns of patches (B, h, w) with the measured ones."""
    assert scan.probe is not None
    # A patch is centred on its exact position, and so is the probe.
    modelled = intensity(to_detector(exit_waves(scan.probe, patches)))
    counts, mask = room.measurements.counts(points), room.measurements.mask
    missed = ((counts.sqrt() - modelled.detach().sqrt()) * mask).square().sum((-2, -1))
    return PatchMisfit(deviance(counts, modelled, mask), missed, (counts * mask).sum((-2, -1)))


def label_on(scan: TaughtScan, frame: Frame) -> tuple[Tensor, Tensor]:
    """The label on a frame, its mean phase removed, and where it is known; its mean elsewhere."""
    assert scan.label is not None
    values, known = object_on(scan.label, frame, scan.prepared.pixel)
    mean = values.sum() / known.sum().clamp_min(1)
    values = torch.where(known, values, mean)
    return values * torch.polar(torch.ones_like(mean.real), -mean.angle()), known
