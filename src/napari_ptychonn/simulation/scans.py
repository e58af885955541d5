"""Scan paths: where the probe goes, in object pixels around the origin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import SettingsError

__all__ = ["PATH_KINDS", "PathKind", "PathSettings", "scan_path"]

PathKind = Literal["raster", "jittered", "spiral", "fermat"]
PATH_KINDS: tuple[PathKind, ...] = get_args(PathKind)
"""Names that :func:`scan_path` knows."""

_GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


@dataclass(frozen=True, slots=True)
class PathSettings:
    """A scan path.

    Attributes
    ----------
    kind : {"raster", "jittered", "spiral", "fermat"}
        Rows and columns; the same with a random offset each, so that the raster leaves no
        artefacts; an Archimedean spiral; Vogel's spiral at the golden angle.
    points : int
        Number of points N.
    step : float
        Distance of neighbours, pixels: every point has an area of step².
    jitter : float
        Largest offset of a jittered raster along y and x, as a share of `step`.
    """

    kind: PathKind = "jittered"
    points: int = 400
    step: float = 4.0
    jitter: float = 0.3


def scan_path(settings: PathSettings, rng: np.random.Generator) -> NDArray[np.float64]:
    """Positions of a scan path, in the order in which they are visited.

    Parameters
    ----------
    settings : PathSettings
        Kind, number of points, step.
    rng : Generator
        Source of the jitter.

    Returns
    -------
    ndarray, (N, 2) float64
        (y, x) in pixels; the middle of the field is the origin.

    Raises
    ------
    SettingsError
        Unknown kind, no points, or a step that is not positive.
    """
    if settings.kind not in _PATHS:
        problem = f"there is no kind {settings.kind!r}"
        raise SettingsError("scan path", None, problem, remedy=f"use {', '.join(PATH_KINDS)}")
    if settings.points < 1 or not settings.step > 0:
        problem = f"{settings.points} points at a step of {settings.step} px"
        raise SettingsError("scan path", None, problem, remedy="both must be positive")
    return settings.step * _PATHS[settings.kind](settings, rng)


def _raster(settings: PathSettings, _rng: np.random.Generator) -> NDArray[np.float64]:
    columns = int(np.ceil(np.sqrt(settings.points)))
    row, column = np.divmod(np.arange(settings.points), columns)
    middle = (row[-1] / 2, (columns - 1) / 2)
    return np.stack([row - middle[0], column - middle[1]], axis=1)


def _jittered(settings: PathSettings, rng: np.random.Generator) -> NDArray[np.float64]:
    offsets = rng.uniform(-settings.jitter, settings.jitter, (settings.points, 2))
    return _raster(settings, rng) + offsets


def _spiral(settings: PathSettings, _rng: np.random.Generator) -> NDArray[np.float64]:
    # r = θ/2π and an arc of one step between points give θ = √(4πk).
    number = np.arange(settings.points) + 0.5
    return _polar(np.sqrt(number / np.pi), np.sqrt(4 * np.pi * number))


def _fermat(settings: PathSettings, _rng: np.random.Generator) -> NDArray[np.float64]:
    number = np.arange(settings.points) + 0.5
    return _polar(np.sqrt(number / np.pi), _GOLDEN_ANGLE * number)


def _polar(radius: NDArray[np.float64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)


_PATHS: dict[str, Callable[[PathSettings, np.random.Generator], NDArray[np.float64]]] = {
    "raster": _raster,
    "jittered": _jittered,
    "spiral": _spiral,
    "fermat": _fermat,
}
