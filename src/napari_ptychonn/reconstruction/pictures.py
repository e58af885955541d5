"""Pictures of a result: annotated PNG to look at, TIFF with the pixel size to work with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_ptychonn import __version__
from napari_ptychonn.output import appearing
from napari_ptychonn.reconstruction.result import Reconstruction
from napari_ptychonn.scan.model import LengthUnit

__all__ = ["Channel", "channel_values", "cyclic_colormap", "save_png", "save_tiff", "scale_bar"]

Channel = Literal["amplitude", "phase"]

_SMALLEST_SIDE = 512
_UNMEASURED = 190
_WELL_LIT = 0.1
_PAPER, _INK = (255, 255, 255), (30, 30, 30)
# The font that Pillow brings has no µ.
_LENGTH_NAMES = ((1e-3, "mm"), (1e-6, "um"), (1e-9, "nm"), (1e-12, "pm"))


def channel_values(reconstruction: Reconstruction, channel: Channel) -> NDArray[np.float32]:
    """Amplitude, or phase in radians (−π to π), (H, W) float32; NaN where not measured."""
    pick = np.abs if channel == "amplitude" else np.angle
    return pick(reconstruction.object).astype(np.float32)


def save_png(reconstruction: Reconstruction, path: str | Path, channel: Channel) -> None:
    """Write one channel as a PNG with scale bar and colour bar.

    Amplitude is grey, from the 0.5th to the 99.5th percentile of the well-lit part. Phase goes
    once around a cyclic colormap; no measurement fixes the global phase, so it is turned until
    the illuminated mean is 0. What was not measured is grey.

    Parameters
    ----------
    reconstruction : Reconstruction
        The result.
    path : str or Path
        To be written, or replaced.
    channel : {"amplitude", "phase"}
        What to show.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    if channel == "amplitude":
        values = channel_values(reconstruction, channel)
        limits = _limits(values[_well_lit(reconstruction.coverage)])
        painted = _Painted(values, limits, np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1))
    else:
        values = np.angle(_turned(reconstruction)).astype(np.float32)
        painted = _Painted(values, (-math.pi, math.pi), cyclic_colormap(), " rad")
    page = _page(painted, channel, reconstruction.pixel[1], reconstruction.unit)
    with appearing(path, "picture") as partial:
        page.save(partial, format="PNG")


def save_tiff(reconstruction: Reconstruction, path: str | Path, channel: Channel) -> None:
    """Write one channel as float32 TIFF whose resolution tags hold the pixel size.

    Parameters are those of :func:`save_png`. Where the pixel size is not known, the tags say
    that there is no absolute unit.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    known = reconstruction.unit == "m"
    per_centimetre = [0.01 / size if known else 1.0 for size in reconstruction.pixel]
    with appearing(path, "picture") as partial:
        tifffile.imwrite(
            partial,
            channel_values(reconstruction, channel),
            photometric="minisblack",
            resolution=(per_centimetre[1], per_centimetre[0]),
            resolutionunit="CENTIMETER" if known else "NONE",
            description=f"{reconstruction.name}: {channel}"
            + (", radians" if channel == "phase" else ""),
            software=f"napari-ptychonn {__version__}",
            metadata=None,
        )


@lru_cache(maxsize=1)
def cyclic_colormap() -> NDArray[np.uint8]:
    """Colours (256, 3) uint8 for phases from −π to π, the same at both ends.

    Light at 0 and dark at ±π, warm above 0 and cool below: sign and size stay readable in
    grey too. Made in the Oklab space (Ottosson 2020), where equal steps look equal.
    """
    phase = np.linspace(-np.pi, np.pi, 256)
    # As colourful as sRGB allows: more would be clipped, and make steps.
    lightness = 0.60 + 0.33 * np.cos(phase)
    red_green = 0.06 * np.sin(phase)
    yellow_blue = 0.01 * np.cos(phase) + 0.09 * np.sin(phase)
    to_roots = np.array(
        [
            [1, 0.3963377774, 0.2158037573],
            [1, -0.1055613458, -0.0638541728],
            [1, -0.0894841775, -1.2914855480],
        ]
    )
    to_linear = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    roots = np.stack([lightness, red_green, yellow_blue], 1) @ to_roots.T
    linear = np.clip(roots**3 @ to_linear.T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(255 * encoded).astype(np.uint8)


def scale_bar(span: float, unit: LengthUnit) -> tuple[float, str]:
    """Length of a scale bar, at most a quarter of `span`, and its label.

    Parameters
    ----------
    span : float
        Width of the picture, in `unit`.
    unit : {"m", "px"}
        Unit of the scan.

    Returns
    -------
    tuple of float and str
        Length in `unit`, one of 1, 2 and 5 times a power of ten; the label with its unit.
    """
    power = 10.0 ** math.floor(math.log10(span / 4))
    length = max(step * power for step in (1, 2, 5) if step * power <= span / 4)
    if unit == "px":
        return length, f"{length:g} px"
    # The hair below one keeps 1e-6 m, which is rarely exact, at 1 um.
    factor, name = next(
        (item for item in _LENGTH_NAMES if length >= 0.999999 * item[0]), _LENGTH_NAMES[-1]
    )
    return length, f"{length / factor:g} {name}"


@dataclass(frozen=True, slots=True)
class _Painted:
    """Values (H, W), the limits of their colours (256, 3), and the unit of the limits."""

    values: NDArray[np.float32]
    limits: tuple[float, float]
    colours: NDArray[np.uint8]
    unit: str = ""

    def image(self, zoom: int) -> Image.Image:
        low, high = self.limits
        known = np.isfinite(self.values)
        share = (np.where(known, self.values, low) - low) / (high - low)
        rgb = self.colours[np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)]
        rgb[~known] = _UNMEASURED
        return Image.fromarray(rgb.repeat(zoom, 0).repeat(zoom, 1))

    def bar(self, width: int, height: int) -> Image.Image:
        rows = np.linspace(255, 0, height).round().astype(np.uint8)
        return Image.fromarray(self.colours[rows][:, None].repeat(width, 1))

    def label(self, end: int) -> str:
        return f"{self.limits[end]:.3g}{self.unit}"


def _well_lit(coverage: NDArray[np.float32]) -> NDArray[np.bool_]:
    # The rim of a scan is thin and its values wild; they shall not take the contrast.
    return coverage >= _WELL_LIT * np.percentile(coverage, 99)


def _turned(reconstruction: Reconstruction) -> NDArray[np.complex64]:
    found = reconstruction.object
    mean = np.nansum(reconstruction.coverage * found)
    return found if mean == 0 else (found * np.conj(mean) / abs(mean)).astype(np.complex64)


def _limits(values: NDArray[np.float32]) -> tuple[float, float]:
    measured = values[np.isfinite(values)]
    if not measured.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(measured, (0.5, 99.5)))
    return (low, high) if high > low else (low, low + 1.0)


def _page(painted: _Painted, title: str, pixel: float, unit: LengthUnit) -> Image.Image:
    """The picture on white: title above, colour bar to the right, scale bar below."""
    rows, columns = painted.values.shape
    zoom = max(1, math.ceil(_SMALLEST_SIDE / max(rows, columns)))
    picture = painted.image(zoom)
    width, height = picture.size
    text = max(16, max(width, height) // 32)
    font = ImageFont.load_default(text)
    names = painted.label(0), painted.label(1)
    margin, band = text, 2 * text
    label_width = int(max(font.getlength(name) for name in names)) + margin
    # A narrow scan leaves the words as much room as they need.
    inner = max(width, 10 * text)
    page = Image.new(
        "RGB", (margin + inner + margin + text + label_width, height + 2 * band), _PAPER
    )
    draw = ImageDraw.Draw(page)
    draw.text((margin, band // 2), title, _INK, font, anchor="lm")
    page.paste(picture, (margin, band))
    left = 2 * margin + inner
    page.paste(painted.bar(text, height), (left, band))
    for end, y, anchor in ((1, band, "lt"), (0, band + height, "lb")):
        draw.text((left + text + margin // 3, y), names[end], _INK, font, anchor=anchor)
    length, label = scale_bar(columns * pixel, unit)
    y = band + height + band // 2
    reach = margin + length / pixel * zoom
    draw.rectangle((margin, y - text // 8, reach, y + text // 8), _INK)
    draw.text((reach + margin // 2, y), label, _INK, font, anchor="lm")
    return page
