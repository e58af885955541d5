"""What a running job tells whoever listens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.words import counted

__all__ = [
    "Event",
    "Finished",
    "Message",
    "Metrics",
    "Progress",
    "ShouldStop",
    "SmallerBatches",
    "Snapshot",
    "never",
    "result_of",
]

ShouldStop: TypeAlias = Callable[[], bool]
ResultT = TypeVar("ResultT")


def never() -> bool:
    """Say that nobody wants the job to stop."""
    return False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the job is.

    Attributes
    ----------
    stage : str
        What is being done, for instance ``"pass 1"`` or ``"sweep 3"``.
    done, total : float
        Work done and expected over the whole job, same unit. `total` may
        change while the job learns how much there is to do.
    """

    stage: str
    done: float
    total: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The object so far.

    Attributes
    ----------
    object : ndarray, (H, W) complex64
        NaN where nothing is known yet; the array is the listener's own copy.
    corner_px : tuple[float, float]
        Scan coordinates (y, x), in object pixels, of the centre of pixel [0, 0].
    stage : str
        The stage it comes from.
    """

    object: NDArray[np.complex64]
    corner_px: tuple[float, float]
    stage: str


@dataclass(frozen=True, slots=True)
class Metrics:
    """Named numbers of one stage, for instance ``{"misfit": 0.018}``."""

    stage: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Message:
    """One sentence that the person should read (a fallback, a halved batch)."""

    text: str


@dataclass(frozen=True, slots=True)
class SmallerBatches(Message):
    """Memory ran out, and the work goes on with batches of `size` patterns."""

    size: int

    @classmethod
    def of(cls, size: int) -> SmallerBatches:
        """Batches of `size` from now on."""
        return cls(
            f"The device's memory is full: going on with batches of {counted(size, 'pattern')}.",
            size,
        )


@dataclass(frozen=True, slots=True)
class Finished(Generic[ResultT]):
    """The last event of every job.

    Attributes
    ----------
    result : ResultT
        What the job made; partial where `stopped`.
    stopped : bool
        Whether the job ended early because it was asked to.
    """

    result: ResultT
    stopped: bool


Event: TypeAlias = Progress | Snapshot | Metrics | Message | Finished[ResultT]


def result_of(
    events: Iterable[Event[ResultT]],
    on_event: Callable[[Event[ResultT]], None] | None = None,
) -> ResultT:
    """Run a job to its end.

    Parameters
    ----------
    events : iterable of Event
        Of the job.
    on_event : callable, optional
        Called with every event.
    """
    for event in events:
        if on_event is not None:
            on_event(event)
        if isinstance(event, Finished):
            return event.result
    raise AssertionError("a job ends with its result")
