"""``demo``: the sample scan, reconstructed, in a napari window or, where none opens, in files."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from napari_ptychonn.commands import usage
from napari_ptychonn.commands.reconstruct import run_and_save
from napari_ptychonn.errors import PtychonnError
from napari_ptychonn.reconstruction.settings import ReconstructionSettings

__all__ = ["demo", "why_no_window"]

_SAMPLE = "circuit-zone-plate"
_WINDOW = "napari_ptychonn.widgets.demo"
"""The module that opens the window, in a process of its own: the shell knows no Qt."""
_OPENS_QT = "from qtpy.QtWidgets import QApplication; QApplication([])"
_PATIENCE_S = 60


def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="Write files, open no window.")
    ] = False,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Where files go that are made headless."
        ),
    ] = Path("napari-ptychonn-demo"),
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where to run headless.")
    ] = "auto",
    quiet: usage.QuietOption = False,
) -> None:
    """Reconstruct the sample scan in napari; without a display, into files."""
    reason = "as asked" if headless else why_no_window(os.environ)
    if reason is None:
        _open_window()
        return
    if not quiet:
        typer.echo(f"Headless ({reason}): the sample scan is reconstructed into files.")
    from napari_ptychonn.simulation.sample_scan import sample_scan

    settings = ReconstructionSettings(device=device)
    run_and_save(
        sample_scan(_SAMPLE),
        settings,
        output / f"{_SAMPLE}.h5",
        picture_kinds=[".png"],
        quiet=quiet,
    )


def why_no_window(environment: Mapping[str, str]) -> str | None:
    """Why no napari window can be opened here; None where one can.

    Parameters
    ----------
    environment : mapping of str to str
        The environment variables.
    """
    linux = not sys.platform.startswith(("win", "darwin", "cygwin"))
    if linux and not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        return "there is no display"
    for package, remedy in (("napari", "napari"), ("qtpy", "napari[all]")):
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed; pip install '{remedy}'"
    # In another process: Qt ends the program where it finds no display or no library of it.
    command = [sys.executable, "-c", _OPENS_QT]
    try:
        tried = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE_S, env=dict(environment)
        )
    except subprocess.TimeoutExpired:
        return "Qt does not answer"
    if tried.returncode == 0:
        return None
    said = [line.strip() for line in tried.stderr.splitlines() if line.strip()]
    return f"Qt opens no window: {said[-1] if said else f'exit code {tried.returncode}'}"


def _open_window() -> None:
    ended = subprocess.run([sys.executable, "-m", _WINDOW], check=False)
    if ended.returncode:
        raise PtychonnError(
            "window", None, f"napari ended with exit code {ended.returncode}",
            remedy="see what it said above, or use 'napari-ptychonn demo --headless'",
        )  # fmt: skip
