"""Painters: random grey pictures in [0, 1] from which samples are composed.

Every painter takes the shape (H, W) and a generator and answers float32 (H, W). Shapes are
drawn through their signed distance with edges one pixel soft, each in its own window, which
keeps a 160×160 picture at a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

__all__ = [
    "Map",
    "Painter",
    "paint_bars",
    "paint_cells",
    "paint_circuit",
    "paint_dead_leaves",
    "paint_fibres",
    "paint_siemens_star",
    "paint_spheres",
    "paint_text",
]

Map = NDArray[np.float32]
Painter = Callable[[tuple[int, int], np.random.Generator], Map]

_REFERENCE_AREA = 160 * 160
"""Pixels for which the numbers of features below are meant."""
_GLYPHS = list("ABCDEFGHKLMNPRSTUVWXYZabcdefghkmnopqrstuvwxyz0123456789#&%@?+=   ")


def paint_dead_leaves(shape: tuple[int, int], rng: np.random.Generator) -> Map:
    """Opaque discs, ellipses, boxes, polygons and rings that hide one another.

    Their sizes follow a power law from two pixels to the whole field, as in pictures of
    nature.
    """
    canvas = np.full(shape, rng.random(), np.float32)
    number = _number(rng, 20, 120, shape)
    smallest = _log_uniform(rng, 1.2, 12.0)
    radii = _power_law(rng, number, smallest, 0.5 * max(shape), exponent=rng.uniform(1.2, 3.0))
    # The largest first, nearly: else one of them would hide all that came before.
    order = np.argsort(-radii * np.exp(rng.normal(0, 0.7, number)))
    kinds = _SHAPES if rng.random() < 0.5 else [_SHAPES[rng.integers(len(_SHAPES))]]
    shaded = rng.random() < 0.4
    for radius in radii[order].tolist():
        for window, y, x in _window(canvas, _place(rng, shape), 1.5 * radius + 2):
            cover = _soft(kinds[rng.integers(len(kinds))](y, x, radius, rng))
            value: float | Map = float(rng.random())
            if shaded:
                slope = rng.normal(0, 0.3, 2).astype(np.float32) / radius
                value = np.clip(value + slope[0] * y + slope[1] * x, 0, 1)
            window += cover * (value - window)
    return canvas


def paint_spheres(shape: tuple[int, int], rng: np.random.Generator) -> Map:
    """Projected thickness of solid or hollow spheres, added up."""
    canvas = np.zeros(shape, np.float32)
    number = _number(rng, 5, 80, shape)
    smallest = _log_uniform(rng, 2.0, 12.0)
    radii = _power_law(rng, number, smallest, 0.3 * max(shape), exponent=rng.uniform(1.0, 3.0))
    if rng.random() < 0.3:
        radii[:] = _log_uniform(rng, 3.0, 25.0)
    hollow = rng.random() < 0.25
    piled = rng.random() < 0.5
    for radius in radii.tolist():
        for window, y, x in _window(canvas, _place(rng, shape), radius + 1):
            square = y * y + x * x
            thickness = np.sqrt(np.maximum(radius**2 - square, 0))
            if hollow:
                thickness -= np.sqrt(np.maximum((0.75 * radius) ** 2 - square, 0))
            if piled:
                window += thickness
            else:
                np.maximum(window, thickness, out=window)
    return _stretch(canvas)


def paint_bars(shape: tuple[int, int], rng: np.random.Generator) -> Map:
    """Fields of gratings with random pitch, duty cycle and direction, as on a test target."""
    canvas = np.full(shape, rng.uniform(0, 0.3), np.float32)
    turn = rng.uniform(0, np.pi)
    aligned = rng.random() < 0.6
    for _ in range(_number(rng, 4, 24, shape)):
        height, width = (_log_uniform(rng, 8.0, 0.5 * max(shape)) for _ in range(2))
        angle = turn + (rng.integers(2) * np.pi / 2 if aligned else rng.uniform(0, np.pi))
        for window, y, x in _window(canvas, _place(rng, shape), float(np.hypot(height, width)) + 2):
            v, u = _turned(y, x, angle)
            pitch = _log_uniform(rng, 4.0, max(height, 5.0))
            bar = rng.uniform(0.25, 0.75) * pitch
            lines = _soft(np.abs(np.mod(u, pitch) - pitch / 2) - bar / 2)
            cover = _soft(np.maximum(np.abs(v) - height, np.abs(u) - width))
            window += cover * (rng.random() + rng.uniform(-1, 1) * lines - window)
    return _stretch(canvas)


def paint_circuit(shape: tuple[int, int], rng: np.random.Generator) -> Map:
    """Layers of conducting tracks that run at right angles, with pads and blocks."""
    canvas = np.zeros(shape, np.float32)
    turn = float(rng.choice([0.0, np.pi / 4, rng.uniform(0, np.pi)], p=[0.5, 0.1, 0.4]))
    lattice = _log_uniform(rng, 3.0, 14.0)
    middle = np.array(shape) / 2
    axes = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    for level in rng.uniform(0.25, 1.0, rng.integers(1, 4)).tolist():
        width = lattice * rng.uniform(0.25, 0.7)
        for _ in range(_number(rng, 7, 20, shape)):
            start = np.round((_place(rng, shape) - middle) / lattice) * lattice
            direction = int(rng.integers(2))
            pad = rng.random() < 0.5
            for _ in range(rng.integers(1, 4)):
                run = lattice * (1 + rng.integers(max(2, int(0.5 * max(shape) / lattice))))
                end = start.copy()
                end[direction] += run * rng.choice([-1.0, 1.0])
                half = (np.abs(end - start) / 2 + width / 2).tolist()
                centre = axes @ ((start + end) / 2) + middle
                for window, y, x in _window(canvas, centre, float(np.hypot(*half)) + 1):
                    v, u = _turned(y, x, -turn)
                    cover = _soft(np.maximum(np.abs(v) - half[0], np.abs(u) - half[1]))
                    np.maximum(window, cover * level, out=window)
                start, direction = end, 1 - direction
            if pad:
                for window, y, x in _window(canvas, axes @ start + middle, 1.2 * lattice + 1):
                    cover = _soft(np.sqrt(y * y + x * x) - lattice * 0.9)
                    np.maximum(window, cover * level, out=window)
    return canvas


def paint_fibres(shape: tuple[int, int], rng: np.random.Generator) -> Map:
    """Curved round or flat fibres, in a bundle or crossing."""
    canvas = np.zeros(shape, np.float32)
    y, x = _grid(shape, (shape[0] / 2, shape[1] / 2))
    extent = float(max(shape))
    thinnest = _log_uniform(rng, 0.8, 4.0)
    spread = float(rng.choice([0.1, 0.5, np.pi]))
    direction = rng.uniform(0, np.pi)
    added = rng.random() < 0.5
    for _ in range(int(rng.integers(3, 16))):
        v, u = _turned(y, x, direction + rng.uniform(-spread, spread))
        radius = thinnest * float(np.exp(rng.exponential(0.6)))
        u = u * np.float32(1 / extent)
        bend = (rng.normal(0, [0.3, 0.5, 1.0]) * extent).astype(np.float32)
        line = u * (bend[0] + u * (bend[1] + u * bend[2]))
        slope = (bend[0] + u * (2 * bend[1] + u * (3 * bend[2]))) / extent
        distance = np.abs(v - line - rng.uniform(-0.6, 0.6) * extent) / np.sqrt(1 + slope * slope)
        if radius > 2 and added:
            band = np.sqrt(np.maximum(radius**2 - distance * distance, 0)) / radius
        else:
            band = _soft(distance - radius)
        band *= np.float32(rng.uniform(0.3, 1.0))
        canvas = canvas + band if added else np.maximum(canvas, band)
    return _stretch(canvas)


def paint_siemens_star(shape: tuple[int, int], rng: np.random.Generator) -> Map:
    """A resolution star with random spokes, centre, rotation and rings."""
    centre = np.array(shape) * rng.uniform(-0.1, 1.1, 2)
    y, x = _grid(shape, (float(centre[0]), float(centre[1])))
    radius = np.sqrt(y * y + x * x)
    spokes = int(rng.integers(5, 50))
    angle = np.arctan2(y, x) + np.float32(rng.uniform(0, 2 * np.pi))
    # r·sin(nθ)/n is the distance from the spoke's edge, to first order.
    star = _soft(radius * np.sin(spokes * angle) / spokes)
    pitch = _log_uniform(rng, 12.0, 0.7 * max(shape))
    if rng.random() < 0.7:
        gap = _soft(np.abs(np.mod(radius, pitch) - pitch / 2) - rng.uniform(0.03, 0.15) * pitch)
        star = star * (1 - gap) + gap * np.float32(rng.random())
    if rng.random() < 0.5:
        star *= _soft(radius - rng.uniform(0.4, 1.2) * max(shape))
    return star


def paint_text(shape: tuple[int, int], rng: np.random.Generator) -> Map:
    """Lines of random letters in random sizes and grey values."""
    side = int(np.hypot(*shape)) if rng.random() < 0.5 else max(shape)
    ground = int(rng.integers(0, 90))
    page = Image.new("L", (side, side), ground)
    draw = ImageDraw.Draw(page)
    top = float(rng.uniform(-10, 10))
    base = _log_uniform(rng, 8.0, 0.5 * max(shape))
    while top < side:
        size = float(np.clip(base * float(np.exp(rng.normal(0, 0.3))), 6, side))
        letters = rng.choice(_GLYPHS, int(2.2 * side / size) + 1)
        font = ImageFont.load_default(round(size))
        draw.text((rng.uniform(-size, 0), top), "".join(letters), int(rng.integers(130, 256)), font)
        top += size * rng.uniform(1.0, 1.5)
    if side > max(shape):
        angle = float(rng.uniform(0, 360))
        page = page.rotate(angle, Image.Resampling.BILINEAR, fillcolor=ground)
    y, x = (side - shape[0]) // 2, (side - shape[1]) // 2
    picture = np.asarray(page, np.float32)[y : y + shape[0], x : x + shape[1]] / 255
    return picture.astype(np.float32)


def paint_cells(shape: tuple[int, int], rng: np.random.Generator) -> Map:
    """Roundish cells with wall, nucleus and granules."""
    canvas = np.zeros(shape, np.float32)
    size = _log_uniform(rng, 7.0, 40.0)
    area = np.pi * size**2
    number = int(np.clip(0.8 * shape[0] * shape[1] / area, 2, _number(rng, 14, 34, shape)))
    wall = rng.uniform(0.05, 0.2)
    for _ in range(number):
        radius = size * float(np.exp(rng.normal(0, 0.3)))
        for window, y, x in _window(canvas, _place(rng, shape), 1.5 * radius + 2):
            outline = _blob(y, x, radius, rng)
            body = _soft(outline)
            inner = _soft(outline + max(1.0, wall * radius))
            nucleus_y, nucleus_x = rng.uniform(-0.3, 0.3, 2).astype(np.float32) * radius
            nucleus = _soft(
                _disc(y - nucleus_y, x - nucleus_x, rng.uniform(0.2, 0.4) * radius, rng)
            )
            level = rng.uniform(0.3, 0.6)
            cell = body * (level + 0.25) - inner * rng.uniform(0.1, 0.3) + nucleus * 0.3
            np.maximum(window, np.clip(cell, 0, 1), out=window)
        for _ in range(int(rng.integers(0, 4))):
            grain = rng.uniform(1.0, 0.15 * radius + 1.0)
            for window, y, x in _window(canvas, _place(rng, shape), grain + 1):
                cover = _soft(_disc(y, x, grain, rng)) * (window > 0)
                window += cover * (0.9 - window)
    return _stretch(canvas)


def _number(rng: np.random.Generator, low: int, high: int, shape: tuple[int, int]) -> int:
    """A log-uniform number of features, in proportion to the area."""
    number = _log_uniform(rng, low, high)
    return max(1, round(number * shape[0] * shape[1] / _REFERENCE_AREA))


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Between `low` and `high`; `low` itself where a small field leaves no room above it."""
    return float(np.exp(rng.uniform(np.log(low), np.log(max(low, high)))))


def _power_law(
    rng: np.random.Generator, number: int, low: float, high: float, exponent: float
) -> NDArray[np.float64]:
    """Radii with density r^-exponent between `low` and `high`, by inversion."""
    power = 1 - exponent
    if abs(power) < 1e-3:
        return np.asarray(low * (high / low) ** rng.random(number))
    ends = low**power, high**power
    return np.asarray((ends[0] + rng.random(number) * (ends[1] - ends[0])) ** (1 / power))


def _place(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    return rng.random(2) * shape


def _grid(shape: tuple[int, int], centre: tuple[float, float]) -> tuple[Map, Map]:
    """Open coordinates (H, 1) and (1, W) from `centre`."""
    y = (np.arange(shape[0], dtype=np.float32) - np.float32(centre[0]))[:, None]
    x = (np.arange(shape[1], dtype=np.float32) - np.float32(centre[1]))[None, :]
    return y, x


def _window(
    canvas: Map, centre: NDArray[np.float64], reach: float
) -> Iterator[tuple[Map, Map, Map]]:
    """The part of `canvas` within `reach` of `centre`, with its coordinates; none if outside."""
    top, left = max(0, int(centre[0] - reach)), max(0, int(centre[1] - reach))
    window = canvas[top : max(0, int(centre[0] + reach) + 2), left:]
    window = window[:, : max(0, int(centre[1] + reach) + 2 - left)]
    if window.size:
        y, x = _grid((window.shape[0], window.shape[1]), (centre[0] - top, centre[1] - left))
        yield window, y, x


def _turned(y: Map, x: Map, angle: float) -> tuple[Map, Map]:
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cosine * y - sine * x, sine * y + cosine * x


def _soft(distance: NDArray[np.floating[Any]]) -> Map:
    """Cover of a pixel from its signed distance to the edge (negative inside)."""
    return np.clip(np.float32(0.5) - distance, 0, 1).astype(np.float32, copy=False)


def _stretch(picture: Map) -> Map:
    low, high = picture.min(), picture.max()
    return (picture - low) / (high - low) if high > low else np.zeros_like(picture)


def _disc(y: Map, x: Map, radius: float, _rng: np.random.Generator) -> Map:
    return np.sqrt(y * y + x * x) - np.float32(radius)


def _ellipse(y: Map, x: Map, radius: float, rng: np.random.Generator) -> Map:
    v, u = _turned(y, x, rng.uniform(0, np.pi))
    squeeze = np.float32(rng.uniform(0.2, 0.9))
    return (np.sqrt(v * v + (u / squeeze) ** 2) - np.float32(radius)) * np.sqrt(squeeze)


def _box(y: Map, x: Map, radius: float, rng: np.random.Generator) -> Map:
    v, u = _turned(y, x, rng.uniform(0, np.pi))
    return np.maximum(
        np.abs(v) - np.float32(radius), np.abs(u) - np.float32(radius * rng.uniform(0.1, 1.0))
    )


def _polygon(y: Map, x: Map, radius: float, rng: np.random.Generator) -> Map:
    corners = int(rng.integers(3, 7))
    angles = 2 * np.pi * (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) / corners
    distance = np.full(np.broadcast(y, x).shape, -np.inf, np.float32)
    for angle in angles + rng.uniform(0, 2 * np.pi):
        side = _turned(y, x, angle)[0] - np.float32(0.6 * radius)
        np.maximum(distance, side, out=distance)
    return distance


def _ring(y: Map, x: Map, radius: float, rng: np.random.Generator) -> Map:
    thickness = max(1.0, radius * rng.uniform(0.05, 0.3))
    return np.abs(_disc(y, x, radius - thickness, rng)) - np.float32(thickness)


def _blob(y: Map, x: Map, radius: float, rng: np.random.Generator) -> Map:
    angle = np.arctan2(y, x)
    outline = np.full_like(angle, radius)
    for order in (2, 3, 5):
        height = rng.normal(0, 0.3 / order)
        wave = np.cos(order * angle + np.float32(rng.uniform(0, 2 * np.pi)))
        outline += np.float32(height * radius) * wave
    return np.sqrt(y * y + x * x) - np.maximum(outline, np.float32(0.3 * radius))


_SHAPES = [_disc, _ellipse, _box, _polygon, _ring, _blob]
