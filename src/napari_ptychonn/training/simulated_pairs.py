"""Patterns computed from a label with the scan's own probe: more examples than were measured.

A raw-pattern network learns one probe, and a part of a scan shows it few samples. Every
patch of the label also stands for its mirror images and its turns by 90°, seen at places
between the scan points, and the pattern that such a patch would give is known from physics.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from napari_ptychonn.optics.propagation import diffract
from napari_ptychonn.optics.windows import cut_windows, window_indices
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.training.labels import cut_at

__all__ = ["simulate_pairs"]

_JITTER_PX = 1.0


def simulate_pairs(
    object_: Tensor,
    known: Tensor,
    frame: Frame,
    probe: Tensor,
    points: Tensor,
    rng: np.random.Generator,
    *,
    photons: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw a turned or mirrored patch near each point, and its pattern.

    Parameters
    ----------
    object_ : Tensor, (H, W) complex64
        The label, with a likely value where it is not known.
    known : Tensor, (H, W) bool
        Where it is known.
    frame : Frame
        Places of the points on it.
    probe : Tensor, (modes, h, w) complex64
        Probe, √photons.
    points : Tensor, (B,) int64
        Points near which patches are cut, at most a pixel off.
    rng : Generator
        Draws places, symmetries and photons.
    photons : bool
        Whether patterns are counts, and so have photon noise.

    Returns
    -------
    patterns : Tensor, (B, h, w) float32
        Photons, DC at the corner.
    patches : Tensor, (B, h, w) complex64
        What the network is to answer.
    sure : Tensor, (B, h, w) bool
        Where that is known.
    """
    jitter = torch.from_numpy(rng.uniform(-_JITTER_PX, _JITTER_PX, (len(points), 2)))
    corners = frame.corners[points] + frame.shifts[points] + jitter.to(points.device)
    patches = cut_at(object_, corners, frame.patch_shape)
    last = torch.tensor(frame.shape, device=points.device) - torch.tensor(
        frame.patch_shape, device=points.device
    )
    pixels = torch.minimum(corners.round().long().clamp_min(0), last)
    sure = cut_windows(known, window_indices(pixels, frame.patch_shape, frame.shape[1]))
    turns = 4 if frame.patch_shape[0] == frame.patch_shape[1] else 2
    symmetries = rng.integers(2 * turns, size=len(points)).tolist()
    patches, sure = (_turned(images, symmetries, turns) for images in (patches, sure))
    patterns = diffract(probe, patches)
    if photons:
        counted = rng.poisson(patterns.cpu().numpy()).astype(np.float32)
        patterns = torch.from_numpy(counted).to(patterns.device)
    return patterns, patches, sure


def _turned(images: Tensor, symmetries: list[int], turns: int) -> Tensor:
    """Turn and mirror images (B, h, w), each by its symmetry of the 2·`turns` there are."""
    found = torch.empty_like(images)
    for number, (image, symmetry) in enumerate(zip(images, symmetries, strict=True)):
        mirrored, turn = divmod(symmetry, turns)
        turned = torch.rot90(image, turn * (4 // turns))
        found[number] = turned.flip(0) if mirrored else turned
    return found
