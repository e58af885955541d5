"""``--orientation`` of commands that can search for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from napari_ptychonn.commands import usage
from napari_ptychonn.commands.interrupt import EXIT_STOPPED, stop_on_signal
from napari_ptychonn.errors import ScanError

if TYPE_CHECKING:
    from napari_ptychonn.reconstruction.events import Event
    from napari_ptychonn.reconstruction.orientation_search import OrientationSearch
    from napari_ptychonn.reconstruction.position_scale import PositionScale
    from napari_ptychonn.scan.model import Scan
    from napari_ptychonn.scan.options import ScanOptions

__all__ = [
    "SEARCH",
    "OrientationOption",
    "as_option",
    "check_scale",
    "open_oriented",
    "search_orientation",
]

SEARCH = "search"

ResultT = TypeVar("ResultT")

OrientationOption = Annotated[
    str,
    typer.Option(
        metavar="auto|search|0..7",
        help="How the detector stands: as its format documents, as fits best, or as you say.",
        rich_help_panel=usage.SCAN_PANEL,
    ),
]


def as_option(asked: str) -> str:
    """What to open the scan with: to search, it is first opened as its format says."""
    return "auto" if asked == SEARCH else asked


def open_oriented(
    path: Path,
    options: ScanOptions,
    asked: str,
    *,
    device: str,
    quiet: bool,
    for_good: bool = False,
) -> tuple[Scan, ScanOptions]:
    """Open a scan, and find its orientation where that is asked for, or not documented.

    Where the search is not sure, the orientation stays, and the person is told. Where it was
    asked for, the scale of the positions is checked too; a wrong one is only said.

    Parameters
    ----------
    path : Path
        The scan.
    options : ScanOptions
        How to open it first.
    asked : str
        What ``--orientation`` says.
    device : str
        Where to search.
    quiet : bool
        Print nothing but warnings.
    for_good : bool
        Whether it is written down: only a search that is asked for is made, and must be sure.

    Returns
    -------
    scan : Scan
        As found.
    options : ScanOptions
        Those that open it so.

    Raises
    ------
    ScanError, SettingsError
        The scan cannot be opened or searched, or there is no such device; for good, the
        search is not sure.
    Exit
        With 130, where the user stopped the search.
    """
    from napari_ptychonn.scan.open import open_scan

    scan = open_scan(path, options)
    if asked != SEARCH and (for_good or scan.provenance.orientation_is_known):
        return scan, options
    search = search_orientation(scan, device=device, quiet=quiet)
    if for_good and not search.sure:
        raise ScanError(
            "orientation", path, search.text().rstrip("."), remedy="say which: --orientation 0..7"
        )
    if not quiet:
        kept = "" if search.sure else f" {search.present} is kept; --orientation 0..7 sets another."
        typer.echo(search.text() + kept, err=True)
    if asked == SEARCH and search.sure:
        scale = check_scale(scan, search.best, device=device, quiet=quiet)
        # A wrong pixel is worth a line even to those who want none.
        if scale.is_off or not quiet:
            typer.echo(scale.text(), err=True)
    if search.answer == search.present:
        return scan, options
    found = replace(options, orientation=search.answer)
    return open_scan(path, found), found


def search_orientation(scan: Scan, *, device: str, quiet: bool) -> OrientationSearch:
    """Try all eight, showing how it goes.

    Raises
    ------
    ScanError, SettingsError
        The scan cannot be searched, or there is no such device.
    Exit
        With 130, where the user stopped it.
    """
    from napari_ptychonn.reconstruction.orient import orientation_events

    with stop_on_signal() as should_stop:
        return _followed(
            orientation_events(scan, device=device, should_stop=should_stop), quiet=quiet
        )


def check_scale(scan: Scan, code: int, *, device: str, quiet: bool) -> PositionScale:
    """See whether the positions have the right scale, with the patterns in orientation `code`.

    Raises
    ------
    ScanError, SettingsError
        The scan cannot be searched, or there is no such device.
    Exit
        With 130, where the user stopped it.
    """
    from napari_ptychonn.reconstruction.orient import turned_scan
    from napari_ptychonn.reconstruction.position_scale import position_scale_events

    turned = turned_scan(scan, code)
    with stop_on_signal() as should_stop:
        return _followed(
            position_scale_events(turned, device=device, should_stop=should_stop), quiet=quiet
        )


def _followed(events: Iterator[Event[ResultT]], *, quiet: bool) -> ResultT:
    from napari_ptychonn.commands.follow import follow

    finished = follow(events, quiet=quiet)
    if finished.stopped:
        typer.echo("Stopped before the orientation was found; nothing was written.", err=True)
        raise typer.Exit(EXIT_STOPPED)
    return finished.result
