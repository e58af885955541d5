"""``reconstruct``: from a scan file to a result file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_ptychonn.commands import usage
from napari_ptychonn.commands.interrupt import EXIT_STOPPED, stop_on_signal
from napari_ptychonn.commands.option_groups import spread_groups
from napari_ptychonn.commands.orientation import open_oriented
from napari_ptychonn.commands.recipes import (
    SaveRecipeOption,
    keep_recipe,
    options_with,
)
from napari_ptychonn.commands.scan_flags import SearchFlags
from napari_ptychonn.output import require_writable
from napari_ptychonn.reconstruction.settings import ReconstructionSettings

if TYPE_CHECKING:
    from napari_ptychonn.reconstruction.pictures import Channel
    from napari_ptychonn.reconstruction.result import Reconstruction
    from napari_ptychonn.scan.model import Scan
    from napari_ptychonn.scan.options import ScanOptions
    from napari_ptychonn.scan.results.result import ObjectResult

__all__ = ["reconstruct", "run_and_save"]

_DEFAULT = ReconstructionSettings()


@spread_groups
def reconstruct(
    scan: usage.ScanArgument,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="OUT.h5", readable=False, help="The result file."),
    ],
    network: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="Network; 'networks list' names them.")
    ] = _DEFAULT.network,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where to run.")
    ] = _DEFAULT.device,
    fraction: Annotated[
        float, typer.Option(help="Share of the points to use, spread evenly.")
    ] = _DEFAULT.fraction,
    start: Annotated[
        Path | None,
        typer.Option(
            "--start",
            metavar="RESULT",
            readable=False,
            help="Start from the object of a result, whichever program made it; with --passes 0 "
            "sweeps go on from it.",
        ),
    ] = None,
    passes: Annotated[
        str, typer.Option(metavar="auto|K", help="Network passes; auto: four, few points more.")
    ] = str(_DEFAULT.passes),
    probe_rounds: Annotated[
        str, typer.Option(metavar="auto|K", help="Rounds of probe refinement.")
    ] = str(_DEFAULT.probe_rounds),
    sweeps: Annotated[
        str, typer.Option(metavar="auto|K", help="Physics sweeps; 0: the network alone.")
    ] = str(_DEFAULT.sweeps),
    batch_size: Annotated[
        int | None, typer.Option(metavar="B", help="Patterns at a time; chosen where not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = _DEFAULT.seed,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Write PNG and TIFF pictures beside the result.")
    ] = False,
    quiet: usage.QuietOption = False,
    *,
    flags: SearchFlags,
    save_recipe: SaveRecipeOption = None,
) -> None:
    """Reconstruct a scan into a HDF5 file that ptychodus opens too."""
    with usage.usage_errors():
        settings = ReconstructionSettings(
            network=network,
            device=device,
            fraction=fraction,
            passes=usage.number_or_auto(passes, "--passes"),
            probe_rounds=usage.number_or_auto(probe_rounds, "--probe-rounds"),
            sweeps=usage.number_or_auto(sweeps, "--sweeps"),
            batch_size=batch_size,
            seed=seed,
        )
    if settings.passes == 0 and start is None:
        problem = "0 passes need an object to start from: give --start RESULT, or 1 pass or more"
        raise typer.BadParameter(problem, param_hint="--passes")
    options = options_with(flags.recipe, scan, flags.options())
    kinds = (".png", ".tiff") if pictures else ()
    files = [output, *(file for file, _, _ in _pictures(output, kinds))]
    usage.refuse_other_endings(output)
    usage.refuse_overwriting(files, _inputs(scan, options, start, network))
    require_writable(output, "result")
    begun = None if start is None else _start(start)
    opened, options = open_oriented(scan, options, flags.orientation, device=device, quiet=quiet)
    keep_recipe(save_recipe, scan, options)
    run_and_save(opened, settings, output, start=begun, picture_kinds=kinds, quiet=quiet)


def run_and_save(
    scan: Scan,
    settings: ReconstructionSettings,
    output: Path,
    *,
    start: ObjectResult | None = None,
    picture_kinds: Iterable[str],
    quiet: bool,
) -> None:
    """Reconstruct, write the result and its pictures, and print a summary.

    Parameters
    ----------
    scan, settings
        What to do.
    output : Path
        The result file; pictures lie beside it and share its name.
    start : ObjectResult, optional
        Object to start from.
    picture_kinds : iterable of str
        ``".png"``, ``".tiff"``, or both, or none.
    quiet : bool
        Print nothing.

    Raises
    ------
    PtychonnError
        Scan, settings, start or output cannot be used.
    Exit
        With 130, where the user stopped the job; what there was is saved.
    """
    require_writable(output, "result")
    import numpy as np

    from napari_ptychonn.commands.follow import follow
    from napari_ptychonn.commands.summary import summary
    from napari_ptychonn.reconstruction import product
    from napari_ptychonn.reconstruction.job import reconstruct_events

    with stop_on_signal() as should_stop:
        job = reconstruct_events(scan, settings, start=start, should_stop=should_stop)
        finished = follow(job, quiet=quiet)
        result = finished.result
        if finished.stopped and not np.isfinite(result.object).any():
            typer.echo("Stopped before there was a picture; nothing was written.", err=True)
            raise typer.Exit(EXIT_STOPPED)
        product.save(result, output)
        files = [output, *_save_pictures(result, output, picture_kinds)]
    if not quiet:
        typer.echo(summary(result, files))
    if finished.stopped:
        raise typer.Exit(EXIT_STOPPED)


def _inputs(scan: Path, options: ScanOptions, start: Path | None, network: str) -> Iterator[Path]:
    from napari_ptychonn.scan.inputs import files_behind, scan_files

    yield from scan_files(scan, options)
    if start is not None:
        yield from files_behind(start)
    # The name of a stored network is no file here.
    yield Path(network).expanduser()


def _start(file: Path) -> ObjectResult:
    from napari_ptychonn.scan.results.open import open_result

    return open_result(file)


def _pictures(output: Path, kinds: Iterable[str]) -> Iterator[tuple[Path, str, Channel]]:
    """Each picture beside a result: its file, its kind and what it shows."""
    channels: tuple[Channel, ...] = ("amplitude", "phase")
    for kind in kinds:
        for channel in channels:
            yield output.with_name(f"{output.stem}_{channel}{kind}"), kind, channel


def _save_pictures(result: Reconstruction, output: Path, kinds: Iterable[str]) -> list[Path]:
    from napari_ptychonn.reconstruction import pictures

    writers = {".png": pictures.save_png, ".tiff": pictures.save_tiff}
    files = []
    for path, kind, channel in _pictures(output, kinds):
        writers[kind](result, path, channel)
        files.append(path)
    return files
