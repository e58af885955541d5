"""HDF5 files that get their names when they are complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import h5py

from napari_ptychonn.output import appearing_together

__all__ = ["appearing_files"]


@contextmanager
def appearing_files(subject: str, *paths: Path) -> Iterator[list[h5py.File]]:
    """Write HDF5 files under temporary names; all get their own when all went well.

    Parameters
    ----------
    subject : str
        What they are, for the error.
    *paths : Path
        Their names; files that are there already are replaced.

    Raises
    ------
    OutputError
        One cannot be written; what was there before is untouched.
    """
    with appearing_together(subject, *paths) as partial, ExitStack() as stack:
        yield [stack.enter_context(h5py.File(path, "w")) for path in partial]
