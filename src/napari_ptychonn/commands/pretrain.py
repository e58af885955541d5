"""``pretrain``: makes the bundled weights from simulated data; goes on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_ptychonn.commands import usage
from napari_ptychonn.commands.interrupt import EXIT_STOPPED, stop_on_signal
from napari_ptychonn.words import counted

__all__ = ["pretrain"]


def pretrain(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="NET.safetensors", help="The network file."),
    ],
    folder: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="Where checkpoint and log lie; one found there is resumed."
        ),
    ] = Path("pretraining"),
    family: Annotated[
        str, typer.Option(metavar="ptychonn-probe|ptychonn", help="What to train.")
    ] = "ptychonn-probe",
    name: Annotated[
        str | None, typer.Option(help="Name of the network; that of the file where not given.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop after so long; resume by the same command.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Optimiser steps of the whole schedule.")
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0, help="Peak learning rate.")] = None,
    start: Annotated[
        Path | None,
        typer.Option(metavar="NET.safetensors", help="Network whose weights to start from."),
    ] = None,
    channels: Annotated[
        tuple[int, int, int] | None,
        typer.Option(metavar="FINE MIDDLE COARSE", help="Widths of a ptychonn-probe network."),
    ] = None,
    blocks: Annotated[
        int | None, typer.Option(min=1, help="Its residual blocks at the coarsest level.")
    ] = None,
    swept: Annotated[
        bool,
        typer.Option("--swept", help="Polish a trained ptychonn-probe on scans swept as in a job."),
    ] = False,
    fields: Annotated[
        int | None,
        typer.Option(min=1, help="Fields (--swept: scans) at a time; a GPU takes 64 to 96 fields."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that draw examples beside this one.")
    ] = 0,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where to run.")
    ] = "auto",
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of weights and examples.")] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Store weights in 16 bits: half the file.")
    ] = False,
    quiet: usage.QuietOption = False,
) -> None:
    """Train a network on samples and probes that are simulated on the fly."""
    if family not in ("ptychonn-probe", "ptychonn"):
        raise typer.BadParameter("choose ptychonn-probe or ptychonn", param_hint="--family")
    if swept and family != "ptychonn-probe":
        raise typer.BadParameter("it is for ptychonn-probe only", param_hint="--swept")
    from napari_ptychonn.output import require_writable

    require_writable(output, "network")
    require_writable(folder / "checkpoint.pt", "checkpoint")
    folder.mkdir(parents=True, exist_ok=True)
    import torch

    from napari_ptychonn.commands.follow import follow
    from napari_ptychonn.network.weights import save_network
    from napari_ptychonn.reconstruction.device import choose_device
    from napari_ptychonn.training.examples import ExampleSettings
    from napari_ptychonn.training.export import trained_card
    from napari_ptychonn.training.pretrain import PretrainSettings
    from napari_ptychonn.training.pretrain import pretrain as events

    given: dict[str, Any] = {
        "minutes": minutes,
        "steps": steps,
        "rate": rate,
        "start": start,
        "seed": seed,
        "family": family,
        "channels": channels,
        "blocks": blocks,
        "swept": swept,
        "examples": None if fields is None else ExampleSettings(fields=fields),
    }
    settings = PretrainSettings(
        folder=folder,
        device=str(choose_device(device)),
        workers=workers,
        **{key: value for key, value in given.items() if value is not None},
    )
    with stop_on_signal() as should_stop:
        finished = follow(events(settings, should_stop=should_stop), quiet=quiet)
        trained, asked = finished.result, should_stop()
        card = trained_card(trained, settings, name or output.stem)
        save_network(output, card, trained.state, dtype=torch.float16 if half else None)
    if not quiet:
        typer.echo(f"{output}: {trained.step} of {counted(settings.steps, 'step')}")
        for case, value in trained.metrics.items():
            typer.echo(f"  {case:<28} {value:.4f}")
        if finished.stopped:
            typer.echo(f"Not finished: the same command goes on from {folder}.")
    if asked:
        raise typer.Exit(EXIT_STOPPED)
