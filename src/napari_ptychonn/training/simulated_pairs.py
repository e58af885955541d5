"""Patterns computed from a label with the scan's own probe: more examples than were measured.

A raw-pattern network learns one probe, and a part of a scan shows it few samples. Every
patch of the label also stands for its mirror images and its turns, seen at places between
the scan points and a little larger or smaller, and the pattern that such a patch would give
is known from physics.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from napari_ptychonn.optics.propagation import diffract
from napari_ptychonn.reconstruction.frame import Frame

__all__ = ["simulate_pairs"]

_JITTER_PX = 1.0
_MOST_ZOOM = 1.25


def simulate_pairs(
    object_: Tensor,
    known: Tensor,
    frame: Frame,
    probe: Tensor,
    points: Tensor,
    generator: torch.Generator,
    *,
    photons: bool,
    free: int = 0,
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
    generator : torch.Generator
        On the device of all these; draws places, symmetries and photons.
    photons : bool
        Whether patterns are counts, and so have photon noise.
    free : int
        As many of them, the first ones, are turned by any angle and made larger or smaller
        by a quarter at most; the others are turned by multiples of 90°, as they are.

    Returns
    -------
    patterns : Tensor, (B, h, w) float32
        Photons, DC at the corner.
    patches : Tensor, (B, h, w) complex64
        What the network is to answer.
    sure : Tensor, (B, h, w) bool
        Where that is known.
    """
    jitter = _JITTER_PX * (2 * _draw((len(points), 2), points, generator) - 1)
    corners = frame.corners[points] + frame.shifts[points] + jitter
    square = frame.patch_shape[0] == frame.patch_shape[1]
    maps = _symmetries(points, generator, square=square)
    if free:
        maps = torch.cat((_loosened(maps[:free], generator), maps[free:]))
    planes = torch.cat((torch.view_as_real(object_).movedim(-1, 0), known.to(torch.float32)[None]))
    cut = _cut_mapped(planes, corners, maps, frame.patch_shape)
    patches = torch.complex(cut[:, 0], cut[:, 1])
    patterns = diffract(probe, patches)
    if photons:
        patterns = _counted(patterns, generator)
    return patterns, patches, cut[:, 2] > 0.5


def _counted(patterns: Tensor, generator: torch.Generator) -> Tensor:
    if patterns.device.type == "mps":  # it draws no such numbers
        return torch.poisson(patterns.cpu()).to(patterns.device)
    return torch.poisson(patterns, generator=generator)


def _draw(shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=like.device)


def _symmetries(points: Tensor, generator: torch.Generator, *, square: bool) -> Tensor:
    """Maps (B, 2, 2) from places in a patch, from its middle, to those in the label.

    One of the eight turns and mirror images each; of the four that keep a rectangle upright,
    where it is none. They are computed, since a table would have to be sent to the device.
    """
    drawn = _draw((len(points), 3), points, generator) < 0.5
    signs = 1 - 2 * drawn[:, :2].to(torch.float32)
    swap = drawn[:, 2].to(torch.float32) if square else torch.zeros_like(signs[:, 0])
    rows = (
        torch.stack((signs[:, 0] * (1 - swap), signs[:, 0] * swap), -1),
        torch.stack((signs[:, 1] * swap, signs[:, 1] * (1 - swap)), -1),
    )
    return torch.stack(rows, -2)


def _loosened(maps: Tensor, generator: torch.Generator) -> Tensor:
    """Maps (B, 2, 2), each with a turn by any angle, and a zoom."""
    drawn = _draw((len(maps), 2), maps, generator)
    angle = 2 * math.pi * drawn[:, 0]
    scale = torch.exp(math.log(_MOST_ZOOM) * (2 * drawn[:, 1] - 1))
    along, across = scale * angle.cos(), scale * angle.sin()
    turns = torch.stack((torch.stack((along, -across), -1), torch.stack((across, along), -1)), -2)
    return turns @ maps


def _cut_mapped(planes: Tensor, corners: Tensor, maps: Tensor, shape: tuple[int, int]) -> Tensor:
    """Patches (B, C, h, w) of planes (C, H, W), turned about their middles, bicubic."""
    height, width = planes.shape[-2:]
    y = torch.arange(shape[0], device=planes.device) - (shape[0] - 1) / 2
    x = torch.arange(shape[1], device=planes.device) - (shape[1] - 1) / 2
    middle = corners + torch.stack((-y[0], -x[0]))
    rows, columns = (
        middle[:, axis, None, None]
        + maps[:, axis, 0, None, None] * y[:, None]
        + maps[:, axis, 1, None, None] * x
        for axis in range(2)
    )
    grid = torch.stack((columns * (2 / (width - 1)) - 1, rows * (2 / (height - 1)) - 1), -1)
    return torch.nn.functional.grid_sample(
        planes[None].expand(len(corners), -1, -1, -1), grid.float(),
        mode="bicubic", padding_mode="border", align_corners=True,
    )  # fmt: skip
