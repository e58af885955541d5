"""Painters of textures: fractal noise, grains, and mixes that resemble natural pictures.

Like those of `painters`, they answer float32 (H, W) in [0, 1].
"""

from __future__ import annotations

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter

from napari_ptychonn.simulation.painters import (
    Map,
    Painter,
    paint_dead_leaves,
    paint_fibres,
    paint_spheres,
)

__all__ = ["blended", "paint_fractal", "paint_grains", "paint_natural", "paint_rough"]

_PIXELS_PER_GRAIN = 25
"""Smallest mean area of a grain: below it, grains are noise."""


def paint_fractal(shape: tuple[int, int], rng: np.random.Generator) -> Map:
    """Noise with amplitude 1/f^a; smooth, folded, or cut into levels."""
    picture = _noise(shape, rng, exponent=rng.uniform(0.8, 2.2))
    style = rng.random()
    if style < 0.2:
        picture = np.abs(picture)
    elif style < 0.4:
        sharpness = rng.uniform(2.0, 12.0)
        picture = np.tanh(np.float32(sharpness) * (picture - np.float32(rng.normal(0, 0.5))))
    elif style < 0.5:
        picture = np.sin(np.float32(rng.uniform(2.0, 8.0)) * picture)
    return _within(picture)


def paint_grains(shape: tuple[int, int], rng: np.random.Generator) -> Map:
    """Voronoi grains with a value each, with or without grooves between them."""
    area = shape[0] * shape[1]
    most = min(60 * max(1.0, area / 160**2), area / _PIXELS_PER_GRAIN)
    number = max(3, round(np.exp(rng.uniform(np.log(4), np.log(max(most, 5))))))
    seeds = (rng.random((number, 2)) * shape).astype(np.float32)
    stretch = np.float32(np.exp(rng.normal(0, 0.3)))
    y = np.arange(shape[0], dtype=np.float32)[:, None] * stretch
    x = np.arange(shape[1], dtype=np.float32)[None, :]
    values = rng.random(number).astype(np.float32)
    nearest = np.full(shape, np.inf, np.float32)
    second = nearest.copy()
    grain = np.zeros(shape, np.float32)
    for (seed_y, seed_x), value in zip(seeds, values, strict=True):
        distance = (y - seed_y * stretch) ** 2 + (x - seed_x) ** 2
        closer = distance < nearest
        np.minimum(second, np.maximum(distance, nearest), out=second)
        np.minimum(nearest, distance, out=nearest)
        np.copyto(grain, value, where=closer)
    picture = gaussian_filter(grain, 0.55)
    style = rng.random()
    gap = np.sqrt(second) - np.sqrt(nearest)
    if style < 0.4:
        groove = np.clip(1.5 - gap / np.float32(rng.uniform(1.0, 4.0)), 0, 1)
        picture = picture + groove * (np.float32(rng.integers(2)) - picture)
    elif style < 0.55:
        picture = picture * np.float32(0.3) + _within(np.minimum(gap, 20)) * np.float32(0.7)
    return _within(picture)


def paint_natural(shape: tuple[int, int], rng: np.random.Generator) -> Map:
    """Opaque shapes, shading and texture together, as in photographs."""
    shapes = paint_dead_leaves(shape, rng)
    shading = _within(_noise(shape, rng, exponent=rng.uniform(1.5, 2.5)))
    texture = _within(_noise(shape, rng, exponent=rng.uniform(0.5, 1.4)))
    # The texture belongs to the things in the picture: it ends where they end.
    picture = shapes + np.float32(rng.uniform(0, 0.8)) * shading
    rough = np.abs(np.sin(np.float32(rng.uniform(3, 15)) * shapes))
    picture = picture + np.float32(rng.uniform(0.1, 0.8)) * rough * (texture - np.float32(0.5))
    if rng.random() < 0.25:
        over = paint_fibres(shape, rng) if rng.random() < 0.5 else paint_spheres(shape, rng)
        picture = picture + np.float32(rng.uniform(-0.7, 0.7)) * over
    if rng.random() < 0.25:
        picture = gaussian_filter(picture, rng.uniform(0.4, 2.0))
    return _within(picture)


def paint_rough(shape: tuple[int, int], rng: np.random.Generator) -> Map:
    """Detail down to single pixels nearly everywhere, as of sand, rubble, bark or cloth."""
    fine = _noise(shape, rng, exponent=rng.uniform(0.0, 1.2))
    if rng.random() < 0.7:
        fine = gaussian_filter(fine, rng.uniform(0.4, 1.5))
        fine /= max(float(fine.std()), 1e-6)
    picture = fine + np.float32(rng.uniform(0, 1.5)) * _noise(shape, rng, rng.uniform(0.8, 2.0))
    if rng.random() < 0.4:
        stones = paint_grains(shape, rng)
        picture = picture * np.float32(rng.uniform(0.2, 0.6)) + stones * np.float32(2)
    if rng.random() < 0.4:
        # Many dark pixels and few bright ones, or the other way round.
        picture = np.exp(np.float32(rng.uniform(0.3, 1.0)) * picture)
    low, high = np.quantile(picture, (0.002, 0.998))
    return _within(np.clip(picture, low, high))


def blended(first: Painter, second: Painter) -> Painter:
    """A painter of pictures in which two others are added, multiplied, or side by side."""

    def paint(shape: tuple[int, int], rng: np.random.Generator) -> Map:
        one, other = first(shape, rng), second(shape, rng)
        style = rng.random()
        if style < 0.4:
            return _within(one + np.float32(rng.uniform(0.2, 1.5)) * other)
        if style < 0.7:
            return _within(one * (np.float32(rng.uniform(0.1, 1.0)) + other))
        where = _noise(shape, rng, exponent=rng.uniform(1.4, 2.4)) > rng.normal(0, 0.5)
        share = gaussian_filter(where.astype(np.float32), rng.uniform(0.3, 2.0))
        return _within(share * one + (1 - share) * other)

    return paint


def _noise(shape: tuple[int, int], rng: np.random.Generator, exponent: float) -> Map:
    """Gaussian noise with amplitude spectrum 1/f^exponent, of unit variance."""
    fy = fft.fftfreq(shape[0]).astype(np.float32)[:, None]
    fx = fft.rfftfreq(shape[1]).astype(np.float32)[None, :]
    squeeze = np.float32(np.exp(rng.normal(0, 0.25)))
    power = (fy * squeeze) ** 2 + fx**2
    power[0, 0] = np.inf
    spectrum = fft.rfft2(rng.standard_normal(shape, dtype=np.float32))
    spectrum *= power ** np.float32(-exponent / 2)
    noise = fft.irfft2(spectrum, shape)
    scale = float(noise.std())
    return np.asarray(noise / scale if scale > 0 else noise, np.float32)


def _within(picture: Map) -> Map:
    """Stretched to [0, 1]."""
    low, high = picture.min(), picture.max()
    if high <= low:
        return np.zeros_like(picture)
    return np.asarray((picture - low) / (high - low), np.float32)
