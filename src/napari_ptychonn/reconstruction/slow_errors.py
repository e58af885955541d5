"""What is done about slow errors before a pass: a coarse step, or weighing."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from napari_ptychonn.reconstruction.coarse import coarse_phase
from napari_ptychonn.reconstruction.events import Message, ShouldStop
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.measurements import Measurements
from napari_ptychonn.reconstruction.weighing import Weighing, weigh

__all__ = ["SlowErrors"]


class SlowErrors:
    """Takes slow errors out of the objects of one job.

    Parameters
    ----------
    measurements, frame : Measurements, Frame
        Counts and places of the points.
    should_stop : callable
        Asked at every batch.
    """

    def __init__(self, measurements: Measurements, frame: Frame, should_stop: ShouldStop) -> None:
        self._measurements, self._frame = measurements, frame
        self._should_stop = should_stop
        self._coarse_helps = True

    def corrected(
        self, object_: Tensor, probe: Tensor, *, weighing: Weighing | None, batch_size: int
    ) -> Iterator[int | Message | Tensor]:
        """Correct an object.

        Parameters
        ----------
        object_ : Tensor, (H, W) complex64
            Object so far; it is not changed.
        probe : Tensor, (modes, h, w) complex64
            Probe, √photons.
        weighing : Weighing or None
            How all patterns are weighed against it; None: a coarse step is done instead, as long
            as these help.
        batch_size : int
            Patterns at a time.

        Yields
        ------
        int or Message
            Looks at all patterns since the last.
        Tensor, (H, W) complex64
            Last, unless weighing was stopped: the object.
        """
        where = (self._measurements, self._frame, object_, probe)
        if weighing is not None:
            yield from weigh(
                *where, how=weighing, batch_size=batch_size, should_stop=self._should_stop
            )
            return
        found = object_
        if self._coarse_helps:
            found = coarse_phase(*where, batch_size=batch_size, should_stop=self._should_stop)
            self._coarse_helps = found is not object_
        yield found
