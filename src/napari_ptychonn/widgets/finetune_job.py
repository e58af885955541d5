"""What the Fine-tune dock runs in worker threads; only here torch is imported."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from napari_ptychonn.errors import OutputError
from napari_ptychonn.reconstruction.as_result import as_result
from napari_ptychonn.reconstruction.events import Event, Finished, Message, ShouldStop
from napari_ptychonn.reconstruction.result import Reconstruction
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.results.open import open_result
from napari_ptychonn.widgets.finetune_scans import Labels
from napari_ptychonn.widgets.finetune_state import TeachingState, settings_from
from napari_ptychonn.widgets.finetune_unfinished import note_down
from napari_ptychonn.widgets.job_thread import newest_of_its_type
from napari_ptychonn.widgets.lively import Lively
from napari_ptychonn.widgets.window_words import in_the_window

if TYPE_CHECKING:
    from napari_ptychonn.training.finetune_events import FineTuned, FinetuneEvent

__all__ = [
    "Assignment",
    "newest_of_its_kind",
    "saving_events",
    "taught_lively",
    "teaching_events",
]


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """One training, as the dock asks for it.

    Attributes
    ----------
    scans : tuple of Scan
        What teaches.
    labels : tuple of Reconstruction or Path
        For the teacher "labels", one for each scan.
    state : TeachingState
        What the form says.
    folder : Path
        Where checkpoints go.
    """

    scans: tuple[Scan, ...]
    labels: Labels
    state: TeachingState
    folder: Path


def teaching_events(assignment: Assignment, should_stop: ShouldStop) -> Iterator[FinetuneEvent]:
    """Teach a network, with everything read that it needs.

    Yields
    ------
    FinetuneEvent
        As :func:`napari_ptychonn.training.finetune.finetune_events`.
    """
    # The window needs it for the curves; here it is imported without holding anything up.
    import_module("pyqtgraph")
    from napari_ptychonn.training.finetune import finetune_events

    try:
        note_down(assignment.folder, assignment.state, assignment.scans)
    except OutputError as error:
        yield Message(
            f"If this training is cut off, it cannot be gone on with: {in_the_window(error)}"
        )
    labels = [
        as_result(each) if isinstance(each, Reconstruction) else open_result(each)
        for each in assignment.labels
    ]
    yield from finetune_events(
        assignment.scans,
        settings_from(assignment.state, assignment.folder),
        labels=labels,
        should_stop=should_stop,
    )


def taught_lively(
    teach: Callable[[Assignment, ShouldStop], Iterator[FinetuneEvent]],
    lively: Lively,
    assignment: Assignment,
    should_stop: ShouldStop,
) -> Iterator[FinetuneEvent]:
    """Teach as asked, and keep what was imported for each type of event out of collections.

    Parameters
    ----------
    teach : callable
        As :func:`teaching_events`.
    lively : Lively
        The dock's, which has begun. It is given alone: a worker must not keep its dock alive.
    assignment : Assignment
        What is taught.
    should_stop : callable
        Asked several times a second.

    Yields
    ------
    FinetuneEvent
        Those of `teach`.
    """
    # What it has imported for an event is there when the first of that type comes.
    known: set[type] = set()
    for event in teach(assignment, should_stop):
        if type(event) not in known:
            known.add(type(event))
            lively.include()
        yield event


def saving_events(
    name: str, result: FineTuned, replace_existing: bool, should_stop: ShouldStop
) -> Iterator[Event[Path]]:
    """Put a fine-tuned network among the user's own; it is never half written.

    Yields
    ------
    Event
        Finished with the file.
    """
    from napari_ptychonn.network.store import store_network

    path = store_network(name, result.card, result.state, replace_existing=replace_existing)
    yield Finished(path, stopped=should_stop())


def newest_of_its_kind(event: object) -> Hashable | None:
    """Of objects, only the newest of each kind and scan matters, and of patches the newest."""
    from napari_ptychonn.training.finetune_events import HeldOutPatch, ObjectView

    if isinstance(event, ObjectView):
        return (ObjectView, event.kind, event.scan)
    return HeldOutPatch if isinstance(event, HeldOutPatch) else newest_of_its_type(event)
