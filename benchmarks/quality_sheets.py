"""Contact sheets: truth and methods side by side, amplitude above phase.

Amplitudes are brought to the truth's scale, which no pattern tells where the probe is to be
found.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_ptychonn.reconstruction.alignment import Alignment

__all__ = ["draw_sheet"]

_SIDE = 160
_GAP = 4
_TITLE = 16
_SHADES = 64
"""So few that a sheet of noisy pictures stays small."""


def draw_sheet(path: Path, found: Mapping[str, Alignment]) -> None:
    """Write a sheet as PNG.

    Parameters
    ----------
    path : Path
        The file.
    found : mapping of str to Alignment
        Aligned objects of one scan by method, with the same truth in each.
    """
    first = next(iter(found.values()))
    columns = {"truth": _parts(first.reference, first)}
    columns |= {name: _parts(aligned.object, aligned) for name, aligned in found.items()}
    sheet = Image.new("L", (len(columns) * (_SIDE + _GAP), _TITLE + 2 * (_SIDE + _GAP)), 255)
    draw = ImageDraw.Draw(sheet)
    spans = [_span(picture, first.known) for picture in columns["truth"]]
    for column, (name, pictures) in enumerate(columns.items()):
        left = column * (_SIDE + _GAP)
        draw.text((left + 2, 2), name, fill=0, font=ImageFont.load_default())
        for row, (picture, span) in enumerate(zip(pictures, spans, strict=True)):
            panel = _panel(picture, first.known, span)
            sheet.paste(panel, (left, _TITLE + row * (_SIDE + _GAP)))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, optimize=True)


def _parts(
    values: NDArray[np.complex128], aligned: Alignment
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    known, theirs = values[aligned.known], aligned.reference[aligned.known]
    scale = max(float(np.vdot(known, theirs).real), 0.0) / float(np.vdot(known, known).real)
    return scale * np.abs(values), np.angle(values * np.exp(-1j * np.angle(theirs.mean())))


def _span(picture: NDArray[np.float64], known: NDArray[np.bool_]) -> tuple[float, float]:
    low, high = (float(np.quantile(picture[known], share)) for share in (0.005, 0.995))
    return low, max(high, low + 1e-6)


def _panel(
    picture: NDArray[np.float64], known: NDArray[np.bool_], span: tuple[float, float]
) -> Image.Image:
    shade = np.clip((picture - span[0]) / (span[1] - span[0]), 0, 1)
    steps = np.rint(shade * (_SHADES - 1)) * (255 // (_SHADES - 1))
    grey = np.where(known, steps, 255).astype(np.uint8)
    scale = _SIDE / max(grey.shape)
    size = (round(grey.shape[1] * scale), round(grey.shape[0] * scale))
    return Image.fromarray(grey).resize(size, Image.Resampling.NEAREST)
