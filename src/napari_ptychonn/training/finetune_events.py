"""What a fine-tuning tells beside the events of every job, and what it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.weights import save_network
from napari_ptychonn.reconstruction.events import Finished, Message, Metrics, Progress
from napari_ptychonn.reconstruction.result import Reconstruction

__all__ = [
    "FineTuned",
    "FinetuneEvent",
    "HeldOutPatch",
    "Losses",
    "ObjectView",
    "PointSplit",
    "Standing",
]


@dataclass(frozen=True, slots=True)
class PointSplit:
    """Which points of a scan teach, and which are held out; sent once per scan.

    Attributes
    ----------
    scan : int
        Number of the scan among those given.
    teaching, held_out : ndarray, (n,) intp
        Their numbers in the scan. Points in neither are too near to both, or not used.
    """

    scan: int
    teaching: NDArray[np.intp]
    held_out: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Losses:
    """One point of the loss curves.

    Attributes
    ----------
    step : int
        Optimiser steps done.
    training : float or None
        Mean loss of the steps since the last one; None before the first step.
    held_out : float
        Loss on points held out in space, of the averaged weights.
    best : bool
        Whether these weights are the best so far.
    """

    step: int
    training: float | None
    held_out: float
    best: bool


@dataclass(frozen=True, slots=True)
class ObjectView:
    """The object in an area, as the network finds it alone; also labels as they grow.

    Attributes
    ----------
    kind : {"before", "after", "labels"}
        ``"before"``: of the network that was started from; ``"after"``: of that which is
        being taught; ``"labels"``: what an engine has made so far.
    object : ndarray, (H, W) complex64
        NaN where nothing is known; the array is the listener's own copy.
    corner_px : tuple[float, float]
        Scan coordinates (y, x), in object pixels of `scan`, of the centre of pixel [0, 0].
    scan : int
        Number of the scan among those given.
    step : int
        Optimiser steps done.
    """

    kind: str
    object: NDArray[np.complex64]
    corner_px: tuple[float, float]
    scan: int
    step: int


@dataclass(frozen=True, slots=True)
class HeldOutPatch:
    """One held-out point: what the network makes of it, and what it should be.

    Attributes
    ----------
    point : int
        Its number in the (first) scan.
    patch : ndarray, (h, w) complex64
        The network's.
    label : ndarray, (h, w) complex64, or None
        The label, in the patch's global phase; None where the patterns alone teach.
    weight : ndarray, (h, w) float32
        Light on each pixel over its largest value; where there is none, neither is known.
    """

    point: int
    patch: NDArray[np.complex64]
    label: NDArray[np.complex64] | None
    weight: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Standing:
    """How well a network does on the points held out in space.

    Attributes
    ----------
    loss : float
        The held-out loss.
    misfit : float or None
        R-factor of the held-out points; None where no probe is known to compare with.
    phase_correlation : float or None
        With the labels on the held-out points' area; None without labels.
    """

    loss: float
    misfit: float | None
    phase_correlation: float | None

    def as_dict(self) -> dict[str, float]:
        """Those that are known."""
        known = {
            "held-out loss": self.loss,
            "held-out misfit": self.misfit,
            "phase correlation with labels": self.phase_correlation,
        }
        return {name: float(value) for name, value in known.items() if value is not None}


@dataclass(frozen=True, slots=True, eq=False)
class FineTuned:
    """What a fine-tuning made.

    Attributes
    ----------
    state : Mapping of str to Tensor
        The best weights, by the held-out loss; those started from where none were better.
    card : NetworkCard
        Their self-description: parents, data, settings, metrics.
    before, after : Standing
        How the network did and does.
    step, best_step, steps : int
        Steps done, those after which the best weights stood, and those planned.
    seconds : float
        Wall time, earlier parts of a resumed training included.
    stopped : bool
        Whether the person ended it early.
    pictures : tuple of (Reconstruction, Reconstruction)
        Of every scan, by the network alone, before and after; left out where the training
        was stopped.
    messages : tuple of str
        What was said on the way.
    """

    state: Mapping[str, Tensor]
    card: NetworkCard
    before: Standing
    after: Standing
    step: int
    best_step: int
    steps: int
    seconds: float
    stopped: bool = False
    pictures: tuple[tuple[Reconstruction, Reconstruction], ...] = ()
    messages: tuple[str, ...] = field(default=())

    @property
    def improved(self) -> bool:
        """Whether any weights were better on held-out points than those started from."""
        return self.best_step > 0

    def save(self, path: str | Path) -> None:
        """Write the network file; either the whole file appears, or none.

        Raises
        ------
        OutputError
            It cannot be written; the network is still here to be saved elsewhere.
        """
        save_network(path, self.card, self.state)


FinetuneEvent: TypeAlias = (
    Progress
    | Metrics
    | Message
    | PointSplit
    | Losses
    | ObjectView
    | HeldOutPatch
    | Finished[FineTuned]
)
