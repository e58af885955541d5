"""``simulate``: a scan with known truth inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_ptychonn.commands import usage
from napari_ptychonn.commands.follow import progress_bar

__all__ = ["simulate"]

_LIGHT, _PATH, _FAULTS, _GEOMETRY = "Light", "Scan path", "What goes wrong", "Geometry"


def simulate(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="SCAN.h5", help="The CXI file to write.")
    ],
    sample: Annotated[
        str, typer.Option(metavar="KIND", help="Kind of sample; a wrong name lists them.")
    ] = "random",
    phase_sample: Annotated[
        str | None, typer.Option(metavar="KIND", help="Kind of the phase, where it is another.")
    ] = None,
    probe: Annotated[
        str | None,
        typer.Option(
            metavar="KIND", help="Kind of probe; a wrong name lists them.", rich_help_panel=_LIGHT
        ),
    ] = None,
    photons: Annotated[
        float | None,
        typer.Option(help="Photons in a pattern without sample.", rich_help_panel=_LIGHT),
    ] = None,
    second_mode: Annotated[
        float | None,
        typer.Option(help="Share of light in a second probe mode.", rich_help_panel=_LIGHT),
    ] = None,
    size: Annotated[int | None, typer.Option(help="Side of a pattern, pixels.")] = None,
    points: Annotated[
        int | None, typer.Option(help="Number of scan points.", rich_help_panel=_PATH)
    ] = None,
    path: Annotated[
        str | None,
        typer.Option(
            metavar="raster|jittered|spiral|fermat", help="Its shape.", rich_help_panel=_PATH
        ),
    ] = None,
    overlap: Annotated[
        float | None,
        typer.Option(help="Linear overlap of neighbouring probes.", rich_help_panel=_PATH),
    ] = None,
    step_px: Annotated[
        float | None,
        typer.Option(help="Step in object pixels, instead.", rich_help_panel=_PATH),
    ] = None,
    wrong_probe: Annotated[
        float | None,
        typer.Option(
            metavar="DEFOCUS",
            help="Store a probe that is out of focus by so much (0.1 to 0.5) as the guess.",
            rich_help_panel=_FAULTS,
        ),
    ] = None,
    noise: Annotated[
        bool | None, typer.Option(help="Poisson noise.", rich_help_panel=_FAULTS)
    ] = None,
    background: Annotated[
        float | None, typer.Option(help="Stray counts per pixel.", rich_help_panel=_FAULTS)
    ] = None,
    gap_px: Annotated[
        int | None,
        typer.Option(help="Width of the detector's gaps, pixels.", rich_help_panel=_FAULTS),
    ] = None,
    position_error_px: Annotated[
        float | None,
        typer.Option(help="Error of recorded positions, object pixels.", rich_help_panel=_FAULTS),
    ] = None,
    energy_ev: Annotated[
        float | None, typer.Option(help="Photon energy, eV.", rich_help_panel=_GEOMETRY)
    ] = None,
    distance_m: Annotated[
        float | None, typer.Option(help="Sample to detector, metres.", rich_help_panel=_GEOMETRY)
    ] = None,
    detector_pixel_m: Annotated[
        float | None, typer.Option(help="Detector pixel, metres.", rich_help_panel=_GEOMETRY)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same scan.")] = None,
    quiet: usage.QuietOption = False,
) -> None:
    """Simulate a scan into a CXI file, with /truth/object and /truth/probe inside."""
    from napari_ptychonn.output import require_writable
    from napari_ptychonn.simulation.settings import SimulationSettings
    from napari_ptychonn.simulation.simulate import simulate_to_cxi

    given: dict[str, Any] = {
        "sample": sample,
        "phase_sample": phase_sample,
        "probe": probe,
        "photons": photons,
        "second_mode": second_mode,
        "size": size,
        "points": points,
        "path": path,
        "overlap": overlap,
        "step_px": step_px,
        "guess_defocus": wrong_probe,
        "noise": noise,
        "background": background,
        "gap_px": gap_px,
        "position_error_px": position_error_px,
        "energy_ev": energy_ev,
        "distance_m": distance_m,
        "detector_pixel_m": detector_pixel_m,
        "seed": seed,
    }
    with usage.usage_errors():
        # What was not given has the settings' own default.
        settings = SimulationSettings(**{k: v for k, v in given.items() if v is not None})
    usage.refuse_other_endings(output)
    require_writable(output, "CXI file")
    with usage.usage_errors(), progress_bar(quiet=quiet) as bar:
        task = bar.add_task("simulating", total=settings.points)
        simulate_to_cxi(
            output,
            settings,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if not quiet:
        typer.echo(
            f"{output}: {settings.points} patterns of {settings.size} × {settings.size} pixels, "
            f"{settings.photons:g} photons each, truth inside"
        )
