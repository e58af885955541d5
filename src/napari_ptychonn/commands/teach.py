"""Runs a fine-tuning for the shell, writes its network, and says what it brought."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from napari_ptychonn.commands.interrupt import EXIT_STOPPED, stop_on_signal
from napari_ptychonn.errors import OutputError, PtychonnError

if TYPE_CHECKING:
    from napari_ptychonn.reconstruction.events import Finished, Message, Progress, ShouldStop
    from napari_ptychonn.scan.model import Scan
    from napari_ptychonn.scan.results.result import ObjectResult
    from napari_ptychonn.training.finetune_events import FineTuned, Standing
    from napari_ptychonn.training.finetune_settings import FinetuneSettings

__all__ = ["Wanted", "check_wanted", "teach_and_save"]

_CHECKPOINT = "checkpoint.pt"
_FIGURES = {
    "loss": "held-out loss",
    "misfit": "held-out misfit",
    "phase_correlation": "phase correlation",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a fine-tuning shall leave.

    Attributes
    ----------
    output : Path
        The network file.
    name : str
        Name in its card.
    store : bool
        Whether it is put among the person's own networks too.
    as_json : bool
        Whether the summary is JSON.
    """

    output: Path
    name: str
    store: bool
    as_json: bool


def check_wanted(wanted: Wanted, settings: FinetuneSettings, *, resume: bool) -> None:
    """Refuse, before the work is done, what could not be written after it.

    Without `resume`, an earlier checkpoint is deleted.

    Raises
    ------
    OutputError
        Output or checkpoint cannot be written, or an old one not deleted.
    NetworkError
        The name is not free among the person's own networks.
    """
    from napari_ptychonn.output import require_writable

    checkpoint = _checkpoint(settings)
    require_writable(wanted.output, "network")
    require_writable(checkpoint, "checkpoint")
    if wanted.store:
        from napari_ptychonn.network.store import require_free_name

        require_free_name(wanted.name)
    if not resume:
        _discard(checkpoint)


def teach_and_save(
    scans: Sequence[Scan],
    settings: FinetuneSettings,
    labels: Sequence[ObjectResult],
    wanted: Wanted,
    *,
    quiet: bool,
) -> None:
    """Teach, write the network, print a summary, and delete the checkpoint.

    Raises
    ------
    PtychonnError
        Scans, labels, network, settings or output cannot be used. Where the output could
        not be written, the checkpoint stays.
    Exit
        With 130, where the user stopped it; network and checkpoint are kept.
    """
    from napari_ptychonn.commands.follow import follow

    checkpoint = _checkpoint(settings)
    with stop_on_signal() as should_stop:
        finished = follow(_told(scans, settings, labels, should_stop), quiet=quiet)
        result = finished.result
        if not math.isfinite(result.before.loss):
            typer.echo("Stopped before there was anything to keep; nothing was written.", err=True)
            raise typer.Exit(EXIT_STOPPED)
        result = replace(result, card=replace(result.card, name=wanted.name))
        files = _save(result, wanted, checkpoint)
        if not finished.stopped:
            _discard(checkpoint)
    kept = checkpoint if checkpoint.exists() else None
    if wanted.as_json:
        typer.echo(json.dumps(_facts(result, files, kept), indent=2, ensure_ascii=False))
    elif not quiet:
        typer.echo(_summary(result, files, kept))
    if finished.stopped:
        raise typer.Exit(EXIT_STOPPED)


def _checkpoint(settings: FinetuneSettings) -> Path:
    assert settings.folder is not None
    return settings.folder / _CHECKPOINT


def _told(
    scans: Sequence[Scan],
    settings: FinetuneSettings,
    labels: Sequence[ObjectResult],
    should_stop: ShouldStop,
) -> Iterator[Progress | Message | Finished[FineTuned]]:
    """The job's events, with its curves and splits in words, and without its pictures."""
    from napari_ptychonn.reconstruction.events import Finished, Message, Progress
    from napari_ptychonn.training.finetune import finetune_events
    from napari_ptychonn.training.finetune_events import Losses, PointSplit

    try:
        for event in finetune_events(scans, settings, labels=labels, should_stop=should_stop):
            match event:
                case Progress() | Message() | Finished():
                    yield event
                case PointSplit(number, teaching, held_out):
                    yield Message(
                        f"{scans[number].name}: {len(teaching)} points teach, "
                        f"{len(held_out)} are held out"
                    )
                case Losses(step, _, held_out, best):
                    mark = ", the best so far" if best and step else ""
                    yield Message(f"step {step}: held-out loss {held_out:.4g}{mark}")
    except PtychonnError as error:
        if error.subject != "checkpoint":
            raise
        # A shell has a shorter way than deleting files.
        remedy = "give --fresh to start over, or another --output"
        raise type(error)(error.subject, error.where, error.problem, remedy=remedy) from None


def _save(result: FineTuned, wanted: Wanted, checkpoint: Path) -> list[Path]:
    try:
        result.save(wanted.output)
        if not wanted.store:
            return [wanted.output]
        from napari_ptychonn.network.store import store_network

        return [wanted.output, store_network(wanted.name, result.card, result.state)]
    except OutputError as error:
        remedy = error.remedy
        if checkpoint.exists():
            remedy += f"; the training is kept in {checkpoint.parent}: the same command goes on"
        raise OutputError(error.subject, error.where, error.problem, remedy=remedy) from None


def _discard(checkpoint: Path) -> None:
    """Delete a checkpoint, and its folder where nothing else is in it.

    Raises
    ------
    OutputError
        It cannot be deleted.
    """
    try:
        checkpoint.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            "checkpoint", checkpoint, f"cannot be deleted: {error.strerror or error}",
            remedy="delete it yourself",
        ) from None  # fmt: skip
    with suppress(OSError):
        checkpoint.parent.rmdir()


def _summary(result: FineTuned, files: Sequence[Path], kept: Path | None) -> str:
    lines = []
    for field, words in _FIGURES.items():
        before, after = getattr(result.before, field), getattr(result.after, field)
        if before is not None and after is not None:
            lines.append((words, f"{before:.4g} → {after:.4g}"))
    early = " (STOPPED EARLY, the best so far)" if result.stopped else ""
    lines += [
        ("steps", f"{result.step} of {result.steps}, best after {result.best_step}{early}"),
        ("time", f"{result.seconds:.0f} s"),
        ("network", f"{result.card.name}, made from {' → '.join(result.card.parents)}"),
        *(("saved", str(path)) for path in files),
    ]
    text = [f"{what:<17} {value}" for what, value in lines]
    if not result.improved:
        is_fresh = result.card.training["settings"]["fresh"]
        same = "its weights are still random" if is_fresh else "it is the network as it was"
        text.append(f"No weights were better on the held-out points: {same}.")
    if kept is not None:
        text.append(f"Not finished: the same command goes on from {kept.parent}.")
    return "\n".join(text)


def _facts(result: FineTuned, files: Sequence[Path], kept: Path | None) -> dict[str, Any]:
    return {
        "name": result.card.name,
        "parents": list(result.card.parents),
        "files": [str(path) for path in files],
        "improved": result.improved,
        "stopped": result.stopped,
        "before": _figures(result.before),
        "after": _figures(result.after),
        "steps": result.step,
        "best_step": result.best_step,
        "steps_planned": result.steps,
        "seconds": round(result.seconds, 1),
        "messages": list(result.messages),
        "checkpoint": None if kept is None else str(kept),
    }


def _figures(standing: Standing) -> dict[str, float | None]:
    return {field: getattr(standing, field) for field in _FIGURES}
