"""``finetune``: teaches a network scans of one's own; goes on where it was stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from napari_ptychonn.commands import usage
from napari_ptychonn.commands.option_groups import spread_groups
from napari_ptychonn.commands.orientation import open_oriented
from napari_ptychonn.commands.recipes import options_with
from napari_ptychonn.commands.scan_flags import SearchFlags
from napari_ptychonn.training.finetune_settings import FinetuneSettings, Teacher
from napari_ptychonn.words import counted

if TYPE_CHECKING:
    from napari_ptychonn.scan.results.result import ObjectResult

__all__ = ["finetune"]

_DEFAULT = FinetuneSettings()
_TEACHERS = "Who teaches (one of these)"
_LENGTH = "How long (one of these; five minutes where none is given)"
_SELDOM = "Seldom needed"


@spread_groups
def finetune(
    scans: Annotated[
        list[Path],
        typer.Argument(metavar="SCAN...", show_default=False, help="One scan, or several."),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="NET.safetensors", help="The network file."),
    ],
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="OBJECT.h5",
            help="A reconstruction of the scan, of this or another program; once for every "
            "scan, in their order.",
            rich_help_panel=_TEACHERS,
        ),
    ] = None,
    self_supervised: Annotated[
        bool,
        typer.Option(
            "--self-supervised", help="The measured patterns alone.", rich_help_panel=_TEACHERS
        ),
    ] = False,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="sweeps|lsqml|rpie",
            help="A reconstruction that is made first: our sweeps, or an engine of pty-chi.",
            rich_help_panel=_TEACHERS,
        ),
    ] = None,
    network: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="Network to start from.")
    ] = _DEFAULT.network,
    minutes: Annotated[
        float | None, typer.Option(metavar="M", help="Time to teach.", rich_help_panel=_LENGTH)
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(
            metavar="E", help="Times that every teaching point is seen.", rich_help_panel=_LENGTH
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Optimiser steps.", rich_help_panel=_LENGTH)
    ] = None,
    part: Annotated[
        float,
        typer.Option(help="Share of the scan, from its first point on, that is looked at at all."),
    ] = _DEFAULT.part,
    validation: Annotated[
        float,
        typer.Option(help="Share of those points that is held out in one piece, as the judge."),
    ] = _DEFAULT.validation,
    preset: Annotated[
        str,
        typer.Option(
            metavar="own|published",
            help="Loss and optimiser: ours, or the recipe of the PtychoNN paper (with labels).",
        ),
    ] = _DEFAULT.preset,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where to run.")
    ] = _DEFAULT.device,
    name: Annotated[
        str | None, typer.Option(help="Name of the network; that of the file where not given.")
    ] = None,
    store: Annotated[
        bool, typer.Option("--store", help="Put it among your own networks too.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--fresh", help="Go on where the same command was stopped, or start over."
        ),
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: usage.QuietOption = False,
    rate: Annotated[
        float | None,
        typer.Option(metavar="R", help="Peak learning rate.", rich_help_panel=_SELDOM),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch", metavar="B", help="Patterns per step.", rich_help_panel=_SELDOM),
    ] = None,
    from_scratch: Annotated[
        bool,
        typer.Option(
            "--from-scratch",
            help="Forget the network's weights: start from random ones.",
            rich_help_panel=_SELDOM,
        ),
    ] = _DEFAULT.fresh,
    frozen: Annotated[
        str,
        typer.Option(
            "--freeze",
            metavar="nothing|encoder|decoder",
            help="What does not learn.",
            rich_help_panel=_SELDOM,
        ),
    ] = _DEFAULT.frozen,
    label_sweeps: Annotated[
        str,
        typer.Option(metavar="auto|K", help="Of --engine sweeps.", rich_help_panel=_SELDOM),
    ] = str(_DEFAULT.label_sweeps),
    label_epochs: Annotated[
        int, typer.Option(help="Of --engine lsqml and rpie.", rich_help_panel=_SELDOM)
    ] = _DEFAULT.label_epochs,
    seed: Annotated[
        int, typer.Option(help="Seed of everything random.", rich_help_panel=_SELDOM)
    ] = _DEFAULT.seed,
    *,
    flags: SearchFlags,
) -> None:
    """Teach a network your own scans; stopped with Ctrl-C, it keeps the best so far."""
    teacher = _teacher(labels, self_supervised, engine)
    files = labels or []
    if teacher == "labels" and len(files) != len(scans):
        problem = f"{counted(len(files), 'reconstruction')} for {counted(len(scans), 'scan')}"
        raise typer.BadParameter(problem, param_hint="--labels")
    with usage.usage_errors():
        settings = FinetuneSettings(
            network=network,
            fresh=from_scratch,
            teacher=teacher,
            preset=preset,  # type: ignore[arg-type]  # checked by FinetuneSettings
            minutes=minutes,
            steps=steps,
            epochs=epochs,
            rate=rate,
            batch_size=batch_size,
            frozen=frozen,  # type: ignore[arg-type]
            part=part,
            validation=validation,
            label_sweeps=usage.number_or_auto(label_sweeps, "--label-sweeps"),
            label_epochs=label_epochs,
            folder=output.with_suffix(".finetune"),
            device=device,
            seed=seed,
        )
    options = flags.options()
    name = name or output.stem
    _check_output(output, [*scans, *files], network)
    from napari_ptychonn.commands.teach import Wanted, check_wanted, teach_and_save

    wanted = Wanted(output, name, store, as_json)
    check_wanted(wanted, settings, resume=resume)
    opened = [
        open_oriented(
            scan,
            options_with(flags.recipe, scan, options),
            flags.orientation,
            device=device,
            quiet=quiet,
        )[0]
        for scan in scans
    ]
    teach_and_save(opened, settings, [_label(file) for file in files], wanted, quiet=quiet)


def _teacher(labels: list[Path] | None, self_supervised: bool, engine: str | None) -> Teacher:
    given = sum((bool(labels), self_supervised, engine is not None))
    hint = "--labels, --self-supervised, --engine"
    if given != 1:
        problem = "choose a teacher" if given == 0 else "choose one teacher"
        raise typer.BadParameter(problem, param_hint=hint)
    if engine is None:
        return "labels" if labels else "physics"
    for teacher in get_args(Teacher):
        if teacher == engine and teacher not in ("physics", "labels"):
            return teacher
    raise typer.BadParameter("choose sweeps, lsqml or rpie", param_hint="--engine")


def _check_output(output: Path, sources: list[Path], network: str) -> None:
    from napari_ptychonn.network.folders import SUFFIX, resolve

    if output.suffix != SUFFIX:
        problem = f"{output} does not end with {SUFFIX}"
        raise typer.BadParameter(problem, param_hint="--output")
    # Resuming starts from that network again, so it must stay as it is.
    usage.refuse_overwriting([output], (*sources, resolve(network)))


def _label(file: Path) -> ObjectResult:
    from napari_ptychonn.scan.results.open import open_result

    return open_result(file)
