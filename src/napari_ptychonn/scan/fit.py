"""Patterns of any size brought to a size that networks take.

A network halves the image three times, so sides must be multiples of 8. Padding the
detector makes the object pixel finer by the same factor; the new pixels are unmeasured and
masked.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.crop import crop_or_pad
from napari_ptychonn.scan.model import PatternSource, Scan
from napari_ptychonn.scan.views import CroppedPatterns, MaskedPatterns

__all__ = ["crop_scan", "fit_scan", "fit_to_multiple", "fit_window"]


def fit_to_multiple(scan: Scan, multiple: int = 8) -> Scan:
    """Pad the patterns of a scan, where needed, up to sides that are a multiple of `multiple`."""
    height, width = scan.pattern_shape
    size = (-(-height // multiple) * multiple, -(-width // multiple) * multiple)
    return scan if size == scan.pattern_shape else fit_scan(scan, size)


def crop_scan(scan: Scan, size: tuple[int, int]) -> Scan:
    """Use a window (H, W) of the patterns around DC.

    Raises
    ------
    ScanError
        The window is larger than the patterns.
    """
    if any(want > have for want, have in zip(size, scan.pattern_shape, strict=True)):
        height, width = scan.pattern_shape
        problem = f"a window of {size[0]} × {size[1]} is larger than {height} × {width} pixels"
        raise ScanError("crop", scan.provenance.path, problem, remedy="choose a smaller one")
    return scan if size == scan.pattern_shape else fit_scan(scan, size)


def fit_scan(scan: Scan, size: tuple[int, int], *, centre: tuple[int, int] | None = None) -> Scan:
    """Crop or pad the patterns of a scan around DC.

    Parameters
    ----------
    scan : Scan
        The scan.
    size : tuple[int, int]
        (H, W) wanted.
    centre : tuple[int, int], optional
        Pixel (y, x) of the present patterns where DC really is; None: (H // 2, W // 2).

    Returns
    -------
    Scan
        Object pixel, positions in pixels and probe follow; padded pixels are masked.
    """
    height, width = scan.pattern_shape
    grow = (size[0] / height, size[1] / width)
    pixel = scan.pixel_m
    positions = scan.positions
    if pixel is None:
        positions = positions * np.asarray(grow)
    else:
        pixel = (pixel[0] / grow[0], pixel[1] / grow[1])
    probe = None if scan.probe is None else _resample(scan.probe, size)
    mask = crop_or_pad(scan.mask, size, centre=centre)
    masked = scan.patterns
    patterns: PatternSource
    if isinstance(masked, MaskedPatterns) and masked.unmeasured is not None:
        # The mask stays outermost: there it can be changed.
        cropped = CroppedPatterns(masked.source, size, centre)
        measured = crop_or_pad(~masked.unmeasured, size, centre=centre)
        patterns = MaskedPatterns(cropped, mask, ~measured)
    else:
        patterns = CroppedPatterns(masked, size, centre)
    verb = "padded" if size[0] * size[1] > height * width else "cropped"
    note = f"patterns {verb} from {height} × {width} to {size[0]} × {size[1]} pixels"
    if pixel is not None:
        change = "grows" if max(grow) <= 1 else "shrinks" if min(grow) >= 1 else "changes"
        note += f", and the object pixel {change}"
    else:
        note += "; the object pixel, and positions in pixels, change by the same factor"
    provenance = replace(scan.provenance, assumptions=(*scan.provenance.assumptions, note))
    return replace(
        scan,
        patterns=patterns,
        positions=positions,
        pixel_m=pixel,
        probe=probe,
        mask=mask,
        provenance=provenance,
    )


def fit_window(probe: NDArray[np.complex64], shape: tuple[int, int]) -> NDArray[np.complex64]:
    """Cut or zero-pad a probe (modes, h, w) of the same object pixel to the pattern shape."""
    fitted: NDArray[np.complex64] = crop_or_pad(probe, shape)
    return fitted


def _resample(probe: NDArray[np.complex64], size: tuple[int, int]) -> NDArray[np.complex64]:
    """The same probe on the grid that belongs to patterns of `size`; keeps Σ|P|²."""
    axes = (-2, -1)
    wave = np.fft.fft2(np.fft.ifftshift(probe, axes=axes), norm="ortho")
    wave = crop_or_pad(np.fft.fftshift(wave, axes=axes), size)
    back = np.fft.ifft2(np.fft.ifftshift(wave, axes=axes), norm="ortho")
    return np.fft.fftshift(back, axes=axes).astype(np.complex64)
