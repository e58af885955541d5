"""Patterns cropped around the beam centre that a file records."""

from __future__ import annotations

from dataclasses import replace
from math import floor, isfinite

from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.crop import crop_or_pad
from napari_ptychonn.scan.views import CroppedPatterns

__all__ = ["crop_around_centre"]

MIN_SIDE = 16
"""A centre so near the edge that less than this remains is a mistake in the file."""


def crop_around_centre(contents: Contents) -> Contents:
    """Crop to the largest window that has the recorded centre in its middle.

    Parameters
    ----------
    contents : Contents
        Patterns as stored; `centre` None leaves them as they are.

    Returns
    -------
    Contents
        Patterns, mask, background and recorded object pixel of the window, DC at
        (H // 2, W // 2). A centre of (0, 0), which detectors write where nobody told them,
        or outside of the patterns, is not used, and the assumptions say so.
    """
    if contents.centre is None:
        return contents
    shape = contents.patterns.shape[1:]
    size, pixel = _window(contents.centre, shape)
    y, x = contents.centre
    if min(size) < min(MIN_SIDE, *shape):
        note = (
            f"the recorded beam centre ({y:g}, {x:g}) is not within the patterns and is not "
            "used: the middle is taken"
        )
        return replace(contents, centre=None, assumptions=(*contents.assumptions, note))
    if size == shape and pixel == (shape[0] // 2, shape[1] // 2):
        return replace(contents, centre=None)
    mask, background = contents.mask, contents.background
    pitch = contents.pixel_m
    note = (
        f"patterns are cropped from {shape[0]} × {shape[1]} to {size[0]} × {size[1]} pixels "
        f"around the recorded beam centre ({y:g}, {x:g})"
    )
    return replace(
        contents,
        patterns=CroppedPatterns(contents.patterns, size, pixel),
        mask=None if mask is None else crop_or_pad(mask, size, centre=pixel),
        background=None if background is None else crop_or_pad(background, size, centre=pixel),
        pixel_m=pitch and (pitch[0] * shape[0] / size[0], pitch[1] * shape[1] / size[1]),
        centre=None,
        assumptions=(*contents.assumptions, note),
    )


def _window(
    centre: tuple[float, float], shape: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Size of the largest even window, and the pixel that lies in its middle."""
    sides: list[int] = []
    pixel: list[int] = []
    for value, length in zip(centre, shape, strict=True):
        # Pixel k reaches from k to k + 1, as detectors count.
        index = floor(value) if isfinite(value) else -1
        if index == length // 2:
            sides.append(length)
        else:
            sides.append(max(0, 2 * min(index, length - index)))
        pixel.append(index)
    return (sides[0], sides[1]), (pixel[0], pixel[1])
