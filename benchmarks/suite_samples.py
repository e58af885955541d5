"""Samples of the suite: photographs, one kind left out of training, and kinds it has not.

The photographs are those that scikit-image brings along; nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from figures import MissingData
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.float64]

__all__ = ["PICTURES", "Sample", "coupled", "independent", "picture"]

Sample = Callable[[int], "NDArray[np.complex64]"]
"""Gives a transmission (side, side) for a side."""

_PHOTOGRAPHS = {
    "brick": "brick.png",
    "camera": "camera.png",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "handwriting": "text.png",
    "moon": "moon.png",
    "page": "page.png",
    "rocket": "rocket.jpg",
}


def coupled(name: str, *, lowest: float, phase_range: float) -> Sample:
    """One material of the picture's thickness t: amplitude lowest^t, phase range · t."""
    return partial(_coupled, name, lowest, phase_range)


def independent(amplitude: str, phase: str, *, lowest: float, phase_range: float) -> Sample:
    """One picture as amplitude, `lowest` to 1, another as phase, over `phase_range` radians."""
    return partial(_independent, amplitude, phase, lowest, phase_range)


def picture(name: str, side: int) -> Picture:
    """A picture (side, side) of `name`, stretched to [0, 1].

    Raises
    ------
    MissingData
        This scikit-image lacks the photograph.
    """
    found = _photograph(name, side) if name in _PHOTOGRAPHS else _PAINTERS[name](side)
    low, high = found.min(), found.max()
    return np.asarray((found - low) / (high - low), np.float64)


def _coupled(name: str, lowest: float, phase_range: float, side: int) -> NDArray[np.complex64]:
    thickness = picture(name, side)
    return (lowest**thickness * np.exp(1j * phase_range * thickness)).astype(np.complex64)


def _independent(
    amplitude: str, phase: str, lowest: float, phase_range: float, side: int
) -> NDArray[np.complex64]:
    absorbing = lowest + (1 - lowest) * picture(amplitude, side)
    return (absorbing * np.exp(1j * phase_range * picture(phase, side))).astype(np.complex64)


def _photograph(name: str, side: int) -> Picture:
    """The middle square of a photograph."""
    import skimage.data
    from skimage import color, transform
    from skimage.io import imread

    # The functions of skimage.data would download what a later release no longer brings.
    path = Path(skimage.data.__file__).parent / _PHOTOGRAPHS[name]
    if not path.is_file():
        raise MissingData(f"this scikit-image has no {path.name}; install 0.24 to 0.26")
    grey = imread(path)
    if grey.ndim == 3:
        grey = color.rgb2gray(grey[..., :3])
    height, width = grey.shape
    square = min(height, width)
    top, left = (height - square) // 2, (width - square) // 2
    middle = grey[top : top + square, left : left + square].astype(np.float64)
    return np.asarray(transform.resize(middle, (side, side), anti_aliasing=True))


def _star(side: int) -> Picture:
    """The kind of the product that its training leaves out."""
    from napari_ptychonn.simulation.samples import SAMPLE_KINDS

    star = SAMPLE_KINDS["siemens-star"]((side, side), np.random.default_rng(271))
    return np.asarray(star, np.float64)


def _porous(side: int) -> Picture:
    """Ligaments of one width that branch everywhere, as of a nanoporous metal."""
    rng = np.random.default_rng(272)
    white = rng.standard_normal((side, side))
    band = ndimage.gaussian_filter(white, 2.2) - ndimage.gaussian_filter(white, 3.3)
    band /= band.std()
    ligaments = np.clip(2.5 * band + 0.5, 0, 1)
    return np.asarray(ligaments * (0.8 + 0.2 * np.tanh(ndimage.gaussian_filter(white, 12) * 20)))


def _code(side: int) -> Picture:
    """Squares that are black or white at random, with three large marks: an encoded word."""
    rng = np.random.default_rng(273)
    module = 5
    count = max(side // module + 1, 18)
    bits = (rng.random((count, count)) < 0.5).astype(np.float64)
    mark = np.pad(np.pad(np.ones((3, 3)), 1), 1, constant_values=1)
    middle = count // 2
    for row, column in ((-9, -9), (-9, 2), (2, -9)):
        bits[middle + row : middle + row + 7, middle + column : middle + column + 7] = mark
    whole = np.kron(bits, np.ones((module, module)))[:side, :side]
    return np.asarray(ndimage.gaussian_filter(whole, 0.5))


def _dendrite(side: int) -> Picture:
    """Trees that branch from nine seeds, thinner at every fork."""
    rng = np.random.default_rng(274)
    canvas = np.zeros((side, side))
    y, x = np.mgrid[:side, :side].astype(np.float64)
    todo = [
        ((np.divmod(seed, 3) + rng.uniform(0.1, 0.9, 2)) * side / 3, angle, side / 9, side / 70)
        for seed, angle in enumerate(rng.uniform(0, 2 * np.pi, 9))
    ]
    while todo:
        start, angle, length, radius = todo.pop()
        step = length * np.asarray([np.sin(angle), np.cos(angle)])
        along = np.clip(((y - start[0]) * step[0] + (x - start[1]) * step[1]) / length**2, 0, 1)
        away = np.hypot(y - start[0] - along * step[0], x - start[1] - along * step[1])
        canvas = np.maximum(canvas, np.sqrt(np.clip(1 - (away / radius) ** 2, 0, 1)) * radius)
        if length > side / 40:
            todo += [
                (start + step, angle + turn, 0.74 * length, 0.78 * radius)
                for turn in (rng.uniform(0.2, 0.9), -rng.uniform(0.2, 0.9))
            ]
    return canvas


_PAINTERS: dict[str, Callable[[int], Picture]] = {
    "siemens-star": _star,
    "porous": _porous,
    "code": _code,
    "dendrite": _dendrite,
}

PICTURES: tuple[str, ...] = (*_PHOTOGRAPHS, *_PAINTERS)
"""Names that :func:`picture` knows."""
