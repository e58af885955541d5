"""What several commands understand alike: numbers or auto, files that must stay, wrong usage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_ptychonn.errors import ScanError, SettingsError

__all__ = [
    "SCAN_PANEL",
    "QuietOption",
    "ScanArgument",
    "number_or_auto",
    "refuse_overwriting",
    "usage_errors",
]

SCAN_PANEL = "What the file does not say"
"""Heading of the options of a scan in a command's help."""

ScanArgument = Annotated[
    Path,
    typer.Argument(metavar="SCAN", show_default=False, help="The scan: a HDF5, CXI or npz file."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


@contextmanager
def usage_errors() -> Iterator[None]:
    """Make what an option is refused for a usage error: exit code 2, not 1."""
    try:
        yield
    except (ScanError, SettingsError) as error:
        raise typer.BadParameter(str(error)) from None


def number_or_auto(text: str, option: str) -> int | Literal["auto"]:
    """Read ``auto`` or a whole number.

    Raises
    ------
    BadParameter
        It is neither.
    """
    if text == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither auto nor a whole number", param_hint=option
        ) from None


def refuse_overwriting(source: Path, output: Path) -> None:
    """Refuse to write a result over the file that it is made from.

    Raises
    ------
    BadParameter
        Both are the same file.
    """
    if source.exists() and output.exists() and source.samefile(output):
        raise typer.BadParameter(f"{output} is the input itself", param_hint="--output")
