"""What several commands understand alike: numbers or auto, files that must stay, wrong usage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    "refuse_other_endings",
    "refuse_overwriting",
    "usage_errors",
]

SCAN_PANEL = "What the file does not say"
"""Heading of the options of a scan in a command's help."""

ScanArgument = Annotated[
    Path,
    # Whether files can be read is said where they are read: that is no wrong usage.
    typer.Argument(
        metavar="SCAN",
        show_default=False,
        readable=False,
        help="The scan: a HDF5, CXI or npz file.",
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


_NO_HDF5 = (".npz", ".npy", ".mat", ".csv", ".txt", ".png", ".tif", ".tiff")
"""Endings of names that promise another kind of file than the ones that are written."""


@contextmanager
def usage_errors() -> Iterator[None]:
    """Make what an option is refused for a usage error: exit code 2, not 1."""
    try:
        yield
    except (ScanError, SettingsError) as error:
        raise typer.BadParameter(str(error)) from None


def number_or_auto(text: str, option: str, *others: str) -> int | Literal["auto"]:
    """Read ``auto`` or a whole number.

    Parameters
    ----------
    text : str
        What was typed.
    option : str
        The option, for the error.
    *others : str
        What the option may be besides, for the error.

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
        words = " nor ".join(("auto", *others, "a whole number"))
        raise typer.BadParameter(f"{text!r} is neither {words}", param_hint=option) from None


def refuse_overwriting(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse to write anything over a file that it is made from.

    Parameters
    ----------
    outputs : iterable of Path
        All files that will be written.
    inputs : iterable of Path
        All files that are read; looked for only where an output is there already.

    Raises
    ------
    BadParameter
        An input and an output are the same file.
    """
    there = [output for output in outputs if output.exists()]
    if not there:
        return
    for source in inputs:
        for output in there:
            if source.exists() and source.samefile(output):
                problem = f"{output} is an input itself: choose another name"
                raise typer.BadParameter(problem, param_hint="--output")


def refuse_other_endings(output: Path) -> None:
    """Refuse a name that promises another kind of file than HDF5.

    Raises
    ------
    BadParameter
        It does.
    """
    if output.suffix.lower() in _NO_HDF5:
        problem = f"HDF5 is written, and the name {output.name} says {output.suffix}: end it in .h5"
        raise typer.BadParameter(problem, param_hint="--output")
