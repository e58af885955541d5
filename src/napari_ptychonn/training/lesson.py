"""What a lesson is: the way one family of networks learns from scans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from napari_ptychonn.reconstruction.events import Message, ShouldStop
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.stitch import lit_pixels
from napari_ptychonn.training.finetune_events import HeldOutPatch, ObjectView, Standing
from napari_ptychonn.training.rooms import Room
from napari_ptychonn.training.taught import TaughtScan

__all__ = ["Check", "Lesson", "bright", "phase_correlation", "shown_patch", "view_of"]


@dataclass(frozen=True, slots=True)
class Check:
    """How well a network does on the held-out points, and how that looks.

    Attributes
    ----------
    standing : Standing
        The numbers.
    views : tuple of ObjectView
        The held-out area of every scan; kind and step are for the job to set.
    patch : HeldOutPatch or None
        One held-out point of the first scan.
    """

    standing: Standing
    views: tuple[ObjectView, ...]
    patch: HeldOutPatch | None


class Lesson(Protocol):
    """The way one family of networks learns from scans."""

    batch_size: int
    """Patterns that a step looks at; halved where memory runs out."""

    is_log: bool
    """Whether losses are the logarithm of an error."""

    pace: int
    """Steps that are done before anyone asks how they went; to ask makes a GPU run dry."""

    def settle(self, network: nn.Module, /, *, should_stop: ShouldStop) -> Iterator[Message]:
        """Do what comes before the first step, and is not learned."""
        ...

    def look(
        self, network: nn.Module, rng: np.random.Generator, *, should_stop: ShouldStop
    ) -> Iterator[Message]:
        """See with the network as it is what the next steps are about."""
        ...

    def loss(self, network: nn.Module, rng: np.random.Generator) -> Tensor:
        """Loss of the next step, a scalar with its graph."""
        ...

    def check(self, network: nn.Module, *, should_stop: ShouldStop) -> Check | None:
        """Judge the network on the held-out points; None where it was stopped."""
        ...


def bright(light: Tensor) -> Tensor:
    """Weight (H, W) of every pixel: 1 where there is light, 0 in the dark."""
    return light / (light + 0.1 * light.amax()).clamp_min(1e-30)


def phase_correlation(found: Tensor, truth: Tensor, weight: Tensor) -> float:
    """Weighted correlation of the phases of two objects (H, W), at the best global phase.

    Phases are counted from the mean phase of `truth`, and are not unwrapped.
    """
    cross = (weight * found.conj() * truth).sum()
    middle = torch.polar(torch.ones_like(cross.real), -(weight * truth).sum().angle())
    ours = (found * torch.polar(torch.ones_like(cross.real), cross.angle()) * middle).angle()
    theirs = (truth * middle).angle()
    total = weight.sum().clamp_min(1e-30)
    ours = ours - (weight * ours).sum() / total
    theirs = theirs - (weight * theirs).sum() / total
    powers = (weight * ours.square()).sum() * (weight * theirs.square()).sum()
    return float((weight * ours * theirs).sum() / powers.sqrt().clamp_min(1e-30))


def view_of(object_: Tensor, light: Tensor, frame: Frame, scan: int) -> ObjectView:
    """An object to be shown: its mean phase zero, NaN in the dark."""
    mean = (light * object_).sum()
    turn = torch.polar(torch.ones_like(mean.real), -mean.angle())
    shown = (object_ * turn).masked_fill(~lit_pixels(light), complex(np.nan, np.nan))
    return ObjectView("after", shown.cpu().numpy(), frame.corner_px, scan, 0)


def shown_patch(
    scan: TaughtScan, room: Room, row: int, patches: Tensor, wanted: Tensor | None
) -> HeldOutPatch:
    """The first of some patches (B, h, w), and its label in its own global phase.

    `row` is the place of its point in the room.
    """
    patch, label = patches[0], None
    if wanted is not None:
        turn = (scan.weight * wanted[0].conj() * patch).sum()
        turned = wanted[0] * torch.polar(torch.ones_like(turn.real), turn.angle())
        label = turned.cpu().numpy()
    number = int(room.numbers[row])
    return HeldOutPatch(number, patch.cpu().numpy(), label, scan.weight.cpu().numpy())
