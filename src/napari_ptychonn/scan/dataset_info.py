"""What a file says of one dataset, whichever kind of file it is."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MAX_LISTED", "DatasetInfo"]

MAX_LISTED = 5000
"""A file with more datasets than this is listed up to here."""


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """One dataset of a file.

    Attributes
    ----------
    path : str
        Its path in the file.
    shape : tuple of int
        Its shape; empty for a single number.
    dtype : str
        Its type.
    units : str or None
        Its unit as the file spells it.
    compression : str or None
        How it is compressed.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    units: str | None = None
    compression: str | None = None
