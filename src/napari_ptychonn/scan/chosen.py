"""What a person chose in a file, as the start of its contents."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents, masked_source
from napari_ptychonn.scan.eiger import LinkedStack
from napari_ptychonn.scan.entries import chosen_mask, chosen_positions, chosen_probe, shape_of
from napari_ptychonn.scan.options import ScanOptions

__all__ = ["chosen_contents"]


def chosen_contents(
    container: Container,
    options: ScanOptions,
    *,
    patterns: str | Callable[[NDArray[np.bool_] | None], LinkedStack],
    mask: str | None = None,
    like: str | None = None,
) -> Contents:
    """Patterns, mask, and whatever else the person chose among the file's datasets.

    Parameters
    ----------
    container : Container
        The file.
    options : ScanOptions
        Its `datasets` win over the defaults.
    patterns : str or callable
        Where this format has its patterns: a dataset, or what makes a stack from a mask.
    mask : str, optional
        Where this format has its mask, 0 = good; one of another shape is not used.
    like : str, optional
        Dataset that shows the shape of a pattern, where `patterns` is no dataset.

    Returns
    -------
    Contents
        Positions and their unit are None, unless they were chosen.

    Raises
    ------
    ScanError
        A dataset is missing or is not what it must be.
    """
    datasets: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    chosen = options.datasets.get("patterns") or patterns
    marked = chosen_mask(container, options, mask)
    good = None
    if marked is not None:
        good, name = marked
        shown = chosen if isinstance(chosen, str) else like
        size = (shape_of(container, shown) or ())[-2:] if shown else good.shape
        if "mask" in options.datasets or good.shape == size:
            datasets["mask"] = name
        else:
            notes += (f"the mask of the file is {good.shape}, patterns are {size}: not used",)
            good = None
    stack = _stack(container, chosen, good)
    datasets["patterns"] = stack.used
    positions, unit = None, None
    if (found := chosen_positions(container, options)) is not None:
        positions, unit, datasets["positions"] = found
    probe = chosen_probe(container, options)
    if probe is not None:
        datasets["probe"] = options.datasets["probe"]
    return Contents(
        stack.source,
        datasets,
        positions=positions,
        positions_unit=unit,
        probe=probe,
        probe_is_guess="guess" in datasets.get("probe", "").lower(),
        mask=good,
        assumptions=(*stack.notes, *notes),
    )


def _stack(
    container: Container,
    patterns: str | Callable[[NDArray[np.bool_] | None], LinkedStack],
    mask: NDArray[np.bool_] | None,
) -> LinkedStack:
    if isinstance(patterns, str):
        return LinkedStack(masked_source(container, patterns, mask), patterns, ())
    return patterns(mask)
