"""Procedural samples: complex transmissions of random things, |O| ≤ 1.

A sample is made of grey pictures (`painters`, `textures`): one that stands for the
thickness of one material, or two that have nothing to do with each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.simulation.painters import (
    Map,
    Painter,
    paint_bars,
    paint_cells,
    paint_circuit,
    paint_dead_leaves,
    paint_fibres,
    paint_siemens_star,
    paint_spheres,
    paint_text,
)
from napari_ptychonn.simulation.textures import paint_fractal, paint_grains, paint_natural

__all__ = [
    "SAMPLE_KINDS",
    "Contrast",
    "compose",
    "make_sample",
    "painter",
    "random_contrast",
    "random_sample",
]

SAMPLE_KINDS: Mapping[str, Painter] = MappingProxyType(
    {
        "dead-leaves": paint_dead_leaves,
        "spheres": paint_spheres,
        "bars": paint_bars,
        "circuit": paint_circuit,
        "fibres": paint_fibres,
        "fractal": paint_fractal,
        "siemens-star": paint_siemens_star,
        "text": paint_text,
        "grains": paint_grains,
        "cells": paint_cells,
        "natural": paint_natural,
    }
)
"""What a sample can look like, by name."""

Relation = Literal["coupled", "independent", "mixed", "phase", "amplitude"]
_RELATIONS: tuple[Relation, ...] = ("coupled", "independent", "mixed", "phase", "amplitude")

_FREQUENCY = {"natural": 3.0, "dead-leaves": 2.0, "siemens-star": 0.7, "text": 0.7}
"""How often :func:`random_sample` takes a kind, against 1 for the others."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """How pictures become amplitude and phase.

    Attributes
    ----------
    relation : {"coupled", "independent", "mixed", "phase", "amplitude"}
        One material's thickness t for both (A = a_min^t, φ = range·t); a picture each;
        a picture each, of which the phase holds half of the amplitude's; only one of them.
    lowest : float
        Smallest amplitude a_min, in (0, 1].
    phase_range : float
        Phase from picture value 0 to 1, radians, signed.
    """

    relation: Relation = "independent"
    lowest: float = 0.4
    phase_range: float = 1.5


def make_sample(
    kind: str, shape: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.complex64]:
    """A sample of one kind, with random contrast.

    Parameters
    ----------
    kind : str
        One of :data:`SAMPLE_KINDS`; for amplitude and phase alike.
    shape : tuple[int, int]
        (H, W), pixels.
    rng : Generator
        Where the chance comes from: the same state gives the same sample.

    Returns
    -------
    ndarray, (H, W) complex64
        Transmission, |O| ≤ 1; phase range 0.3 to 6 rad.

    Raises
    ------
    SettingsError
        If there is no such kind.
    """
    return compose(painter(kind), painter(kind), shape, rng)


def random_sample(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.complex64]:
    """A sample of a random kind, or with a kind each for amplitude and phase.

    Parameters and result are those of :func:`make_sample`.
    """
    kinds = list(SAMPLE_KINDS)
    weights = np.array([_FREQUENCY.get(kind, 1.0) for kind in kinds])
    first, second = rng.choice(len(kinds), 2, p=weights / weights.sum())
    return compose(SAMPLE_KINDS[kinds[first]], SAMPLE_KINDS[kinds[second]], shape, rng)


def compose(
    for_amplitude: Painter,
    for_phase: Painter,
    shape: tuple[int, int],
    rng: np.random.Generator,
    contrast: Contrast | None = None,
) -> NDArray[np.complex64]:
    """Paint one or two pictures and make a transmission of them.

    Parameters
    ----------
    for_amplitude, for_phase : Painter
        What amplitude and phase look like; only one is used where they are coupled.
    shape : tuple[int, int]
        (H, W), pixels.
    rng : Generator
        Where the chance comes from.
    contrast : Contrast, optional
        Depth of amplitude and phase; None: random.

    Returns
    -------
    ndarray, (H, W) complex64
        Transmission, |O| ≤ 1.
    """
    contrast = contrast or random_contrast(rng)
    lowest, phase_range = np.float32(contrast.lowest), np.float32(contrast.phase_range)
    if contrast.relation == "coupled":
        thickness = _polarised(for_phase(shape, rng), rng)
        return _transmission(lowest**thickness, phase_range * thickness)
    if contrast.relation in ("independent", "mixed"):
        absorbing = _polarised(for_amplitude(shape, rng), rng)
        retarding = _polarised(for_phase(shape, rng), rng)
        if contrast.relation == "mixed":
            retarding = (absorbing + retarding) * np.float32(0.5)
        return _transmission(1 - (1 - lowest) * absorbing, phase_range * retarding)
    picture = _polarised(for_phase(shape, rng), rng)
    if contrast.relation == "phase":
        return _transmission(np.ones_like(picture), phase_range * picture)
    return _transmission(1 - (1 - lowest) * picture, np.zeros_like(picture))


def random_contrast(rng: np.random.Generator) -> Contrast:
    """Draw a contrast: a_min of 0.1 to 0.95, phase range of ±0.3 to ±6 rad, log-uniform."""
    return Contrast(
        relation=_RELATIONS[rng.choice(len(_RELATIONS), p=[0.35, 0.37, 0.08, 0.12, 0.08])],
        lowest=0.1 + 0.85 * rng.random() ** 1.3,
        phase_range=float(rng.choice([-1.0, 1.0]) * np.exp(rng.uniform(np.log(0.3), np.log(6)))),
    )


def painter(kind: str) -> Painter:
    """The painter of a kind.

    Raises
    ------
    SettingsError
        If there is no such kind.
    """
    if kind not in SAMPLE_KINDS:
        raise SettingsError(
            "sample", None, f"there is no kind {kind!r}", remedy=f"use {', '.join(SAMPLE_KINDS)}"
        )
    return SAMPLE_KINDS[kind]


def _polarised(picture: Map, rng: np.random.Generator) -> Map:
    """The picture or, half of the time, its negative."""
    return 1 - picture if rng.random() < 0.5 else picture


def _transmission(amplitude: Map, phase: Map) -> NDArray[np.complex64]:
    sample = np.empty(amplitude.shape, np.complex64)
    np.multiply(amplitude, np.cos(phase), out=sample.real)
    np.multiply(amplitude, np.sin(phase), out=sample.imag)
    return sample
