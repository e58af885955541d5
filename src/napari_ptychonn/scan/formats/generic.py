"""Any other HDF5 or npz file: datasets that the person chose, or that names give away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.amplitudes import looks_like_amplitudes
from napari_ptychonn.scan.blind import leave_out
from napari_ptychonn.scan.combined import SquaredPatterns
from napari_ptychonn.scan.container import Container, if_network
from napari_ptychonn.scan.contents import Contents, masked_source
from napari_ptychonn.scan.dataset_info import DatasetInfo
from napari_ptychonn.scan.entries import chosen_positions
from napari_ptychonn.scan.guesses import guesses as guesses_of
from napari_ptychonn.scan.h5_container import H5Container
from napari_ptychonn.scan.mask_files import read_mask
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.results.open import result_format
from napari_ptychonn.scan.storage import lost_link
from napari_ptychonn.scan.tree import POSITION_PAIRS, guess_roles

__all__ = ["Generic"]

AMPLITUDES = ("diffamp", "diff3d", "diffraction")
"""Names under which some programs store amplitudes (square roots of counts)."""


@dataclass(frozen=True, slots=True)
class Generic:
    """HDF5 and npz files with chosen datasets."""

    name: str = field(default="datasets by name", init=False)

    def detect(self, container: Container) -> bool:
        """Whether names and shapes give patterns and matching positions away."""
        roles = guess_roles(container.infos())
        has_positions = "positions" in roles or _pair(container) is not None
        return "patterns" in roles and has_positions

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read what was chosen, else what is likely.

        Raises
        ------
        ScanError
            No dataset is chosen or likely to hold patterns, or a chosen one cannot be used.
        """
        infos = container.infos()
        guesses = guess_roles(infos)
        names = {**guesses, **options.datasets}
        notes = [
            f"{name} is taken as the {role}"
            for role, name in guesses.items()
            if role not in options.datasets
        ]
        if "patterns" not in names:
            raise _no_patterns(container, infos)
        mask = None
        if "mask" in names:
            bad = container.array(names["mask"])
            mask = np.asarray(bad == 0, dtype=np.bool_)
            notes.append("mask: 0 is taken as a good pixel")
        source = masked_source(container, names["patterns"], mask)
        if _are_amplitudes(source, names["patterns"], options, notes):
            source = SquaredPatterns(source, container.path, names["patterns"])
        positions, unit = None, None
        if not options.brings_positions:
            chosen = chosen_positions(container, options)
            positions, unit, _ = chosen or (*_positions(container, names, source.shape[0]), "")
        else:
            names.pop("positions", None)
        probe = None
        if "probe" in names and options.probe_file is None:
            probe = container.array(names["probe"])
        return Contents(
            source,
            names,
            positions=positions,
            positions_unit=unit,
            probe=probe,
            probe_is_guess="guess" in names.get("probe", "").lower(),
            mask=mask,
            orientation_is_known=False,
            assumptions=tuple(notes),
        )


def _no_patterns(container: Container, infos: Sequence[DatasetInfo]) -> ScanError:
    result = result_format(container)
    if result is not None:
        problem = f"it is a result ({result.name}), whose patterns are in another file"
        remedy = "give the scan that it was made of; --probe takes such a file, too, and napari "
        remedy += "shows it when it is dropped on the viewer"
        return ScanError("patterns", container.path, problem, remedy=remedy)
    # Detectors write their frames to files of their own, which may not have been copied along.
    if isinstance(container, H5Container) and all(len(info.shape) < 3 for info in infos):
        lost = lost_link(container.file, container.path)
        if lost is not None:
            return lost
    with_shape = [info for info in infos if info.shape]
    if not with_shape:
        return _no_scan(container)
    listed = ", ".join(f"{info.path} {info.shape}" for info in with_shape[:10])
    problem = "it is not known which dataset holds the patterns"
    remedy = f"choose it with --dataset patterns=/PATH among {listed}"
    likely = [f"{role}={guess.dataset!r}" for role, guess in guesses_of(infos).items()]
    remedy += f"; likely are {', '.join(likely)}" if likely else ""
    return ScanError("patterns", container.path, problem, remedy=remedy)


def _no_scan(container: Container) -> ScanError:
    problem = "it holds no dataset with more than one value: it is no scan"
    remedy = f"choose a scan file{if_network(container.path)}"
    return ScanError("patterns", container.path, problem, remedy=remedy)


def _are_amplitudes(
    source: PatternSource, name: str, options: ScanOptions, notes: list[str]
) -> bool:
    if options.mask_file is not None:
        good, _ = read_mask(options.mask_file)
        # One that does not fit is refused later, where everything else about it is said.
        if good.shape == source.shape[1:]:
            source = leave_out(source, ~good)
    found = looks_like_amplitudes(source)
    if found:
        notes.append(f"{name} holds square roots of whole steps: amplitudes, which are squared")
    elif found is None and name.rsplit("/", 1)[-1] in AMPLITUDES:
        notes.append("values are taken as intensities (counts), not as amplitudes")
    return bool(found)


def _positions(
    container: Container, names: dict[str, str], n_points: int
) -> tuple[NDArray[np.float64] | None, str | None]:
    if "positions" not in names:
        pair = _pair(container)
        if pair is None:
            return None, None
        columns = [np.asarray(container.array(name), np.float64).reshape(-1) for name in pair[:2]]
        names["positions"] = f"{pair[0]}, {pair[1]}"
        return np.stack(columns, -1), pair[2]
    name = names["positions"]
    stored = np.asarray(container.array(name))
    if stored.ndim == 2 and stored.shape[0] == 2 and stored.shape[1] == n_points != 2:
        stored = stored.T
    if stored.ndim != 2 or stored.shape[1] not in (2, 3) or stored.dtype.kind not in "uif":
        problem = f"{name} has shape {stored.shape}, (N, 2) with (y, x) is needed"
        remedy = "choose another dataset with --dataset positions=/PATH, or give --positions FILE"
        raise ScanError("positions", container.path, problem, remedy=remedy)
    if stored.shape[1] == 3:
        # Three columns are x, y, z wherever they are found.
        stored = stored[:, 1::-1]
    return np.asarray(stored, dtype=np.float64), container.info(name).units


def _pair(container: Container) -> tuple[str, str, str] | None:
    for pair in POSITION_PAIRS:
        if container.has(pair[0]) and container.has(pair[1]):
            return pair
    return None
