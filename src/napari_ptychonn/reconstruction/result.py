"""The result of a reconstruction: object, probe, and how far to trust them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.reconstruction.settings import ReconstructionSettings

if TYPE_CHECKING:
    from pathlib import Path

    from napari_ptychonn.network.card import NetworkCard
    from napari_ptychonn.scan.model import Geometry, LengthUnit, Provenance

__all__ = ["Reconstruction", "RunReport", "StartedFrom"]


@dataclass(frozen=True, slots=True)
class StartedFrom:
    """The object that a run started from.

    Attributes
    ----------
    source : str
        Its file, or its name in the viewer.
    format : str
        Which program's format it has.
    covered : float
        Share of the points that it covers; elsewhere its mean was taken.
    gain : float
        What its amplitudes were multiplied by to fit the photons.
    """

    source: str
    format: str
    covered: float
    gain: float


@dataclass(frozen=True, slots=True)
class RunReport:
    """The numbers of one run, for the log and the file.

    Attributes
    ----------
    misfit : float
        R-factor over all points used: Σ(√I − |F(P·O)|)² / ΣI.
    seconds : float
        Wall time of the job.
    patterns_per_second : float
        Points used divided by `seconds`.
    device : str
        Where it ran.
    passes, probe_rounds, sweeps : int
        What was really done.
    stopped : bool
        Whether the person stopped it early.
    messages : tuple of str
        What the job said while it ran.
    start : StartedFrom or None
        What it started from; None: from a flat object.
    """

    misfit: float
    seconds: float
    patterns_per_second: float
    device: str
    passes: int
    probe_rounds: int
    sweeps: int
    stopped: bool = False
    messages: tuple[str, ...] = ()
    start: StartedFrom | None = None


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """What a reconstruction found.

    Attributes
    ----------
    object : ndarray, (H, W) complex64
        Complex transmission; NaN where nothing was measured.
    pixel : tuple[float, float]
        Object pixel (y, x) in `unit` (1.0 where the unit is "px").
    unit : {"m", "px"}
        Unit of `pixel`, `corner` and `positions`.
    corner : tuple[float, float]
        Scan coordinates (y, x), in `unit`, of the centre of pixel [0, 0].
    probe : ndarray, (modes, h, w) complex64
        Probe, centred; Σ|P|² = photons of a pattern with no sample.
    positions : ndarray, (M, 2) float64
        Probe centres (y, x) of the points used, in `unit`.
    indices : ndarray, (M,) intp
        Their numbers in the scan.
    coverage : ndarray, (H, W) float32
        Σ|P|² that fell on each object pixel, photons.
    disagreement : ndarray, (H, W) float32
        Spread of the overlapping patches around the object; NaN where fewer than one.
    misfit : ndarray, (M,) float32
        R-factor per point.
    patches : ndarray, (M, h, w) complex64, or None
        Patch of every point in the object's phase; None where not kept.
    settings, card, provenance, report
        What was asked, by which network, from which file, and how it went.
    geometry : Geometry or None
        Wavelength, distance and detector pixel where they are known.
    """

    object: NDArray[np.complex64]
    pixel: tuple[float, float]
    unit: LengthUnit
    corner: tuple[float, float]
    probe: NDArray[np.complex64]
    positions: NDArray[np.float64]
    indices: NDArray[np.intp]
    coverage: NDArray[np.float32]
    disagreement: NDArray[np.float32]
    misfit: NDArray[np.float32]
    settings: ReconstructionSettings
    card: NetworkCard
    provenance: Provenance
    report: RunReport
    patches: NDArray[np.complex64] | None = field(default=None)
    geometry: Geometry | None = None

    @property
    def name(self) -> str:
        """Short name for layers and files."""
        return self.provenance.path.stem if self.provenance.path else self.provenance.format

    def save(self, path: str | Path) -> None:
        """Write HDF5 in the layout of a ptychodus product; patches are not written.

        Parameters
        ----------
        path : str or Path
            To be written, or replaced; the file appears when it is complete.

        Raises
        ------
        OutputError
            It cannot be written; a file that was there before is untouched.
        """
        from napari_ptychonn.reconstruction.product import save

        save(self, path)

    @staticmethod
    def load(path: str | Path) -> Reconstruction:
        """Read what :meth:`save`, the window or the shell wrote.

        Raises
        ------
        PtychonnError
            The file cannot be read, or is not one of ours: for others there is
            :func:`napari_ptychonn.open_result`.
        """
        from napari_ptychonn.reconstruction.product import load

        return load(path)
