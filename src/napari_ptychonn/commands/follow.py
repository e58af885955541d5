"""Runs a job and shows its events on stderr: a bar with the time left, and what it says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from napari_ptychonn.reconstruction import events as job

__all__ = ["follow", "progress_bar"]

ResultT = TypeVar("ResultT")


def follow(events: Iterable[job.Event[ResultT]], *, quiet: bool) -> job.Finished[ResultT]:
    """Run a job to its end and show how it goes; nothing is shown where `quiet`.

    Returns
    -------
    Finished
        The job's last event.
    """
    with progress_bar(quiet=quiet) as bar:
        task = bar.add_task("starting", total=None)
        for event in events:
            match event:
                case job.Progress(stage, done, total):
                    bar.update(task, description=stage, completed=done, total=total)
                case job.Message(text) if not quiet:
                    bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
                case job.Finished():
                    return event
            del event  # A snapshot is as large as the object.
    raise AssertionError("a job ends with its result")


def progress_bar(*, quiet: bool) -> Progress:
    """A bar on stderr, drawn only where somebody looks: on a terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
        transient=True,
    )
