"""What arrays of MATLAB look like in HDF5: axes in reverse, complex numbers in pairs.

MATLAB stores the first axis fastest, HDF5 the last, so an image (row, column) of MATLAB is
read as (column, row), and a stack (row, column, frame) as (frame, column, row).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["MATLAB_ORIENTATION", "matlab_image"]

MATLAB_ORIENTATION: Final = 4
"""Orientation of patterns that MATLAB wrote: transposed."""


def matlab_image(stored: NDArray[Any]) -> NDArray[Any]:
    """Bring an image of MATLAB to (..., row, column), complex where it is a pair.

    Parameters
    ----------
    stored : ndarray, (..., column, row)
        As HDF5 has it; MATLAB's complex numbers have fields ``real`` and ``imag``.

    Returns
    -------
    ndarray, (..., row, column)
        Anything else than pairs of real numbers keeps its type.
    """
    image = stored
    names = stored.dtype.names or ()
    if set(names) == {"real", "imag"} and all(stored.dtype[name].kind == "f" for name in names):
        image = stored["real"] + 1j * stored["imag"]
    return np.swapaxes(image, -2, -1) if image.ndim > 1 else image
