"""ptypy's prepared data, ``.ptyd``: chunks of patterns with their positions and weights.

The layout is that of ``PtyScan`` in ``ptypy/core/data.py`` and of ``ptypy/io/h5rw.py``, which
marks what is None by an attribute. With ``save='link'`` every chunk is a file of its own,
``<file>.part000`` and so on, to which the main file links by the path it had when written.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.combined import ConcatenatedPatterns
from napari_ptychonn.scan.container import Container, open_container
from napari_ptychonn.scan.contents import Contents, masked_source
from napari_ptychonn.scan.entries import is_group, reals, shape_of, unusable
from napari_ptychonn.scan.frame_masks import common_mask
from napari_ptychonn.scan.h5_container import H5Container
from napari_ptychonn.scan.model import HC_EV_M
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.storage import DAMAGE, names_in
from napari_ptychonn.words import counted

__all__ = ["Ptyd"]

SETTINGS = ("/meta", "/info")
NEAR_FIELD = ("nearfield", "near_field")


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some frames: the file they are in, and the group in it."""

    container: Container
    group: str

    def name(self, leaf: str) -> str:
        return f"{self.group}/{leaf}"


@dataclass(frozen=True, slots=True)
class Ptyd:
    """Data files of ptypy."""

    name: str = field(default="ptypy .ptyd", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there are numbered chunks, and settings beside them."""
        has_settings = any(is_group(container, group) for group in SETTINGS)
        return has_settings and bool(_numbers(container))

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read positions, weights and geometry; patterns of all chunks make one stack.

        Raises
        ------
        ScanError
            A chunk or its file is missing, or a dataset is not what it must be.
        """
        notes: list[str] = []
        with ExitStack() as stack:
            chunks = [_chunk(container, number, stack) for number in _numbers(container)]
            return _contents(container, chunks, options, notes)


def _numbers(container: Container) -> list[int]:
    """Numbers of the chunks, whether their links lead anywhere or not."""
    if not isinstance(container, H5Container):
        return []
    try:
        found = container.file.get("/chunks")
        names = names_in(found) if isinstance(found, h5py.Group) else []
    except DAMAGE:
        return []
    return sorted(int(name) for name in names if name.isdecimal() and name == str(int(name)))


def _chunk(container: Container, number: int, stack: ExitStack) -> _Chunk:
    group = f"/chunks/{number}"
    if is_group(container, group):
        return _Chunk(container, group)
    # The link holds the path of the day the file was written; files that were moved or
    # renamed together still lie side by side.
    part = container.path.with_name(f"{container.path.name}.part{number:03d}")
    if part.is_file():
        return _Chunk(stack.enter_context(open_container(part)), "")
    problem = f"chunk {number} is in {part.name}, which is missing"
    remedy = f"copy {part.name} into {part.parent}"
    raise ScanError("patterns", container.path, problem, remedy=remedy)


def _contents(
    container: Container, chunks: list[_Chunk], options: ScanOptions, notes: list[str]
) -> Contents:
    datasets: dict[str, str] = {}
    chosen = options.datasets.get("patterns")
    if chosen is not None:
        # A chunk's own dataset keeps that chunk's positions.
        chunks = [chunk for chunk in chunks if chunk.name("data").strip("/") == chosen.strip("/")]
    mask = _mask(container, chunks, options, datasets, notes)
    if chosen is not None:
        datasets["patterns"] = chosen
        source = masked_source(container, chosen, mask)
    else:
        names = [chunk.name("data") for chunk in chunks]
        datasets["patterns"] = names[0] if len(chunks) == 1 else f"/chunks/*/data ({len(chunks)})"
        sources = [masked_source(chunk.container, chunk.name("data"), mask) for chunk in chunks]
        source = sources[0] if len(chunks) == 1 else ConcatenatedPatterns(sources, container.path)
    positions, unit = None, None
    if "positions" in options.datasets and not options.brings_positions:
        datasets["positions"] = options.datasets["positions"]
        positions = _pairs(container, datasets["positions"])
        unit = container.info(datasets["positions"]).units or "m"
    elif chunks and not options.brings_positions:
        positions, unit = _positions(chunks), "m"
        datasets["positions"] = datasets["patterns"].replace("data", "positions")
    probe = None
    if "probe" in options.datasets and options.probe_file is None:
        datasets["probe"] = options.datasets["probe"]
        probe = container.array(datasets["probe"])
    planned = _number(container, "num_frames", notes)
    if planned is not None and chosen is None and planned > source.shape[0]:
        notes.append(
            f"{planned:.0f} frames were to be prepared and {source.shape[0]} are in the file: "
            "its preparation did not end"
        )
    energy_kev = _number(container, "energy", notes)
    psize = _pair(container, "psize", notes)
    centre, dc = _centre(container, source.shape[1:], notes)
    return Contents(
        source,
        datasets,
        positions=positions,
        positions_unit=unit,
        probe=probe,
        probe_is_guess=True,
        mask=mask,
        wavelength_m=HC_EV_M / (1e3 * energy_kev) if energy_kev else None,
        distance_m=_number(container, "distance", notes),
        detector_pixel_m=psize,
        dc=dc,
        centre=centre,
        near_field=_near_field(container),
        assumptions=tuple(notes),
    )


def _mask(
    container: Container,
    chunks: list[_Chunk],
    options: ScanOptions,
    datasets: dict[str, str],
    notes: list[str],
) -> NDArray[np.bool_] | None:
    """Good pixels: those with weight in every chunk."""
    first = chunks[0].container.info(chunks[0].name("data")) if chunks else None
    stack = container.info(options.datasets["patterns"]) if first is None else first
    size = stack.shape[-2:]
    if "mask" in options.datasets:
        datasets["mask"] = options.datasets["mask"]
        mask, note = common_mask(container, datasets["mask"], size, lambda stored: stored == 0)
        notes.extend([note] if note else [])
        return mask
    masks = []
    for chunk in chunks:
        shape = shape_of(chunk.container, chunk.name("weights"))
        # Where there are none ptypy leaves the dataset out, or an empty one.
        if shape is not None and len(shape) in (2, 3) and all(shape):
            mask, note = common_mask(chunk.container, chunk.name("weights"), size, _has_weight)
            notes.extend([note] if note else [])
            masks.append(mask)
            datasets["mask"] = chunk.name("weights")
    if not masks:
        for group in SETTINGS:
            shape = shape_of(container, f"{group}/weight2d")
            if shape is not None and len(shape) == 2 and min(shape) > 1:
                datasets["mask"] = f"{group}/weight2d"
                return common_mask(container, datasets["mask"], size, _has_weight)[0]
        return None
    if len(chunks) > 1:
        datasets["mask"] = f"/chunks/*/weights ({len(masks)})"
    return np.asarray(np.logical_and.reduce(masks), dtype=np.bool_)


def _has_weight(stored: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(stored > 0, dtype=np.bool_)


def _positions(chunks: list[_Chunk]) -> NDArray[np.float64] | None:
    """Positions (N, 2) as (y, x) of all chunks; None where no chunk has any."""
    # A list of None, written for a scan without positions, is a group.
    without = [chunk for chunk in chunks if not chunk.container.has(chunk.name("positions"))]
    if len(without) == len(chunks):
        return None
    parts = []
    for chunk in chunks:
        name = chunk.name("positions")
        pairs = _pairs(chunk.container, name)
        n_frames = (shape_of(chunk.container, chunk.name("data")) or (0,))[0]
        if len(pairs) != n_frames:
            problem = f"{name} has {counted(len(pairs), 'position')} for {n_frames} patterns"
            remedy = "prepare the file again, or give --positions FILE"
            raise ScanError("positions", chunk.container.path, problem, remedy=remedy)
        parts.append(pairs)
    return np.concatenate(parts)


def _pairs(container: Container, name: str) -> NDArray[np.float64]:
    stored = reals(container, name, "positions", finite=False)
    if stored.ndim != 2 or stored.shape[1] != 2:
        raise unusable(container, name, f"has shape {stored.shape}, (N, 2) with (y, x) is needed")
    return stored


def _setting(container: Container, key: str) -> NDArray[Any] | str | None:
    """A setting; None where there is none, or where None was written."""
    for group in SETTINGS:
        name = f"{group}/{key}"
        kind = container.attribute(name, "type")
        is_none = isinstance(kind, str) and kind == "None"
        if container.has(name) and not is_none:
            stored = container.array(name)
            if stored.dtype.kind not in "OSU":
                return stored
            value = stored.reshape(-1)[0] if stored.size else b""
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return None


def _numbers_of(
    container: Container, key: str, sizes: tuple[int, ...], notes: list[str]
) -> NDArray[np.float64] | None:
    stored = _setting(container, key)
    if stored is None:
        return None
    if not isinstance(stored, str) and stored.size in sizes and stored.dtype.kind in "uif":
        values = stored.reshape(-1).astype(np.float64)
        if (values > 0).all() and np.isfinite(values).all():
            return values
    notes.append(f"the recorded {key}, {np.array2string(np.asarray(stored))[:60]}, is not used")
    return None


def _number(container: Container, key: str, notes: list[str]) -> float | None:
    values = _numbers_of(container, key, (1,), notes)
    return None if values is None else float(values[0])


def _pair(container: Container, key: str, notes: list[str]) -> tuple[float, float] | None:
    values = _numbers_of(container, key, (1, 2), notes)
    return None if values is None else (float(values[0]), float(values[-1]))


def _centre(
    container: Container, size: tuple[int, int], notes: list[str]
) -> tuple[tuple[float, float] | None, Literal["centre", "corner"]]:
    """Pixel of the direct beam, and where DC is where the centre is only named."""
    stored = _setting(container, "center")
    if stored is None or isinstance(stored, str):
        return None, "corner" if stored == "fft" else "centre"
    values = stored.reshape(-1)
    if values.size in (1, 2) and values.dtype.kind in "uif" and not values.any():
        return None, "corner"
    pair = _pair(container, "center", notes)
    if pair is None:
        return None, "centre"
    # ptypy counts from the middle of the first pixel, a detector from its edge.
    middle = (pair[0] + 0.5, pair[1] + 0.5)
    nearest = all(abs(p - n // 2) <= 0.5 for p, n in zip(pair, size, strict=True))
    return None if nearest else middle, "centre"


def _near_field(container: Container) -> str | None:
    recorded = _setting(container, "propagation")
    if isinstance(recorded, str) and recorded.lower() in NEAR_FIELD:
        return f"near-field scan: the file records propagation = {recorded}"
    return None
