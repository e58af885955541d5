"""HDF5 files that get their names when they are complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import h5py

from napari_ptychonn.errors import OutputError

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
    partial = [path.with_name(f"{path.name}.part") for path in paths]
    try:
        with ExitStack() as stack:
            yield [stack.enter_context(h5py.File(path, "w")) for path in partial]
        for part, path in zip(partial, paths, strict=True):
            os.replace(part, path)  # noqa: PTH105  (the same on Windows, in one step)
    except (OSError, RuntimeError) as error:  # the latter where h5py cannot flush on closing
        remedy = "check that the folder exists, can be written to and has space left"
        problem = f"cannot be written: {error}"
        raise OutputError(subject, paths[0], problem, remedy=remedy) from None
    finally:
        for part in partial:
            part.unlink(missing_ok=True)
