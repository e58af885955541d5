"""Rooms: scan points that lie together, small enough to be reconstructed in a second or two.

A training never needs the whole scan at once. Passes over a room give the network's inputs
just as a reconstruction would, and memory is that of a room, however large the scan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.reconstruction.events import Message, ShouldStop
from napari_ptychonn.reconstruction.frame import Frame, make_frame
from napari_ptychonn.reconstruction.measurements import Measurements
from napari_ptychonn.reconstruction.pass_plan import PassPlan
from napari_ptychonn.reconstruction.passes import PassStep, Swept, improve_object, sweep_pass
from napari_ptychonn.reconstruction.prepare import Prepared
from napari_ptychonn.reconstruction.slow_errors import SlowErrors
from napari_ptychonn.reconstruction.sweeping import cover_of
from napari_ptychonn.training.split import compact

__all__ = ["PassRecord", "Room", "all_of", "make_room", "run_passes"]

_PIXELS = 1600 * 64 * 64
"""Of all patterns of a room."""


@dataclass(frozen=True, slots=True)
class Room:
    """Points that lie together.

    Attributes
    ----------
    numbers : ndarray, (M,) intp
        Their numbers in the scan.
    measurements : Measurements
        Their counts.
    frame : Frame
        Their windows, on a grid of their own, on the device.
    """

    numbers: NDArray[np.intp]
    measurements: Measurements
    frame: Frame

    @property
    def n_points(self) -> int:
        """Number of points M."""
        return len(self.numbers)


@dataclass(frozen=True, slots=True)
class PassRecord:
    """What one pass over a room told the network, and its answer.

    Attributes
    ----------
    swept : Swept
        The network's input.
    found : Tensor, (H, W) complex64
        The object after the pass.
    """

    swept: Swept
    found: Tensor


def make_room(
    prepared: Prepared,
    numbers: NDArray[np.intp],
    rng: np.random.Generator | None,
    most: int | None = None,
) -> Room:
    """A room among `numbers`: all of them, or the neighbours of one where they are many.

    Parameters
    ----------
    prepared : Prepared
        The scan, laid out.
    numbers : ndarray, (M,) intp
        Numbers of points in the scan.
    rng : Generator or None
        Draws the neighbourhood; None: the middle one.
    most : int, optional
        Points at most; None: as many as fit.
    """
    height, width = prepared.scan.pattern_shape
    count = max(64, _PIXELS // (height * width))
    count = count if most is None else min(count, most)
    if count < len(numbers):
        places = prepared.scan.positions_px[numbers]
        centre = np.median(places, axis=0) if rng is None else places[rng.integers(len(places))]
        numbers = numbers[compact(places, centre, count)]
    return all_of(prepared, numbers)


def all_of(prepared: Prepared, numbers: NDArray[np.intp]) -> Room:
    """All points of the scan by `numbers` (M,) as one room."""
    positions = prepared.scan.positions_px[numbers] / np.asarray(prepared.patch_scale)
    rows = np.searchsorted(prepared.chosen, numbers)
    return Room(
        numbers,
        prepared.measurements.part(torch.from_numpy(rows)),
        make_frame(positions, prepared.frame.patch_shape).to(prepared.device),
    )


def run_passes(
    network: ProbeAwareNet,
    measurements: Measurements,
    frame: Frame,
    probe: Tensor,
    *,
    update_probe: bool,
    seed: int,
    batch_size: int,
    should_stop: ShouldStop,
    most: int | None = None,
) -> Iterator[PassRecord | Message]:
    """The passes of a reconstruction, from the flat object.

    Parameters
    ----------
    network : ProbeAwareNet
        On the device of the measurements.
    measurements, frame : Measurements, Frame
        Counts and places of the points.
    probe : Tensor, (modes, h, w) complex64
        Probe, √photons.
    update_probe : bool
        Whether the probe is refined along.
    seed : int
        Of the order of the subsets.
    batch_size : int
        Patterns at a time.
    should_stop : callable
        Asked at every batch; fewer passes come once it says True.
    most : int, optional
        Passes at most; None: as many as a job does.

    Yields
    ------
    PassRecord or Message
        A record per pass.
    """
    object_ = torch.ones(frame.shape, dtype=torch.complex64, device=probe.device)
    slow_errors = SlowErrors(measurements, frame, should_stop)
    cover = cover_of(frame, probe)
    wanted = PassPlan("auto", cover).expected
    plan = PassPlan(
        "auto" if most is None or wanted <= most else most, cover,
        are_photons=measurements.are_photons(),
    )  # fmt: skip
    for turn in plan.turns():
        start = None
        for event in slow_errors.corrected(
            object_, probe, weighing=turn.weighing, batch_size=batch_size
        ):
            if isinstance(event, Tensor):
                start = event
            elif isinstance(event, Message):
                yield event
        if start is None:
            return
        for step in sweep_pass(
            measurements, frame, start, probe, number=turn.number, update_probe=update_probe,
            seed=seed + turn.number, batch_size=batch_size, should_stop=should_stop,
            momentum=turn.momentum, settles=turn.settles,
        ):  # fmt: skip
            if isinstance(step, Message):
                yield step
            elif not isinstance(step, PassStep):
                object_ = improve_object(
                    network, step.after, step.before, step.light, step.unexplained,
                    views=turn.views,
                )  # fmt: skip
                probe = step.probe
                plan.took(step.beyond_noise)
                yield PassRecord(step, object_)
        if should_stop():
            return
