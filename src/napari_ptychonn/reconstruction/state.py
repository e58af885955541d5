"""What a job has found so far, and the result made of it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.reconstruction.device import describe_device
from napari_ptychonn.reconstruction.events import Snapshot
from napari_ptychonn.reconstruction.measurements import batches
from napari_ptychonn.reconstruction.prepare import Prepared
from napari_ptychonn.reconstruction.quality import PointMisfit
from napari_ptychonn.reconstruction.result import Reconstruction, RunReport
from napari_ptychonn.reconstruction.stitch import lit_pixels

__all__ = ["JobState"]

_PATCH_BYTES = 2**30


class JobState:
    """Object, probe and how sure they are, while a job runs.

    Parameters
    ----------
    job : Prepared
        What is worked on.

    Attributes
    ----------
    object : Tensor, (H, W) complex64, or None
        None until something is known.
    probe : Tensor, (modes, h, w) complex64, or None
        None where the job does without.
    light : Tensor, (H, W) float32
        Light on each pixel, photons (weight of the patches where no probe is known).
    spread : Tensor, (H, W) float32
        Disagreement of the points about each pixel.
    misfit : PointMisfit
        Of every point, once it was judged.
    patches : ndarray, (M, h, w) complex64, or None
        Patches, where they are kept.
    passes, probe_rounds, sweeps : int
        Done so far.
    batch_size : int
        Patterns at a time: fewer once the device's memory was full.
    messages : list of str
        What the person was told.
    """

    def __init__(self, job: Prepared) -> None:
        self.job = job
        self.object: Tensor | None = None if job.start is None else job.start.object
        self.probe: Tensor | None = job.probes[0] if job.probes else None
        # One number seen from every pixel: of a large object, each array counts.
        self.light = torch.zeros((), device=job.device).expand(job.frame.shape)
        self.spread = torch.full((), torch.nan, device=job.device).expand(job.frame.shape)
        self.misfit = PointMisfit(job.frame)
        self.patches: NDArray[np.complex64] | None = None
        self.passes = self.probe_rounds = self.sweeps = 0
        self.batch_size = job.batch_size
        self.messages = list(job.messages)

    def room_for_patches(self) -> NDArray[np.complex64] | None:
        """Where patches are to be kept; None where nobody asked, or over 1 GB."""
        shape = (self.job.frame.n_points, *self.job.frame.patch_shape)
        if not self.job.settings.keep_patches or 8 * int(np.prod(shape)) > _PATCH_BYTES:
            return None
        if self.patches is None:
            self.patches = np.full(shape, np.nan, np.complex64)
        return self.patches

    def cut_patches(self, batch_size: int) -> None:
        """Keep the object's windows as patches, where patches are kept; NaN where it is dark.

        `batch_size` of them are cut at a time.
        """
        room = self.room_for_patches()
        if room is None or self.object is None:
            return
        frame = self.job.frame
        shown = self.object.masked_fill(~lit_pixels(self.light), _nan())
        for points in batches(frame.n_points, batch_size):
            windows = cut_windows(shown, frame.indices(points.to(self.job.device)))
            room[points.numpy()] = windows.cpu().numpy()

    def snapshot(self, stage: str) -> Snapshot:
        """Return the object so far; NaN where no light fell."""
        assert self.object is not None
        shown = self.object * self._turn()
        shown.masked_fill_(~lit_pixels(self.light), _nan())
        return Snapshot(shown.cpu().numpy(), self.job.frame.corner_px, stage)

    def result(self, seconds: float, *, stopped: bool) -> Reconstruction:
        """Return what was found, partial where the job was stopped."""
        job = self.job
        hidden = ~lit_pixels(self.light).cpu()
        found = self.object
        if found is None:
            found = torch.zeros(job.frame.shape, dtype=torch.complex64, device=job.device)
        turn = self._turn()
        if self.patches is not None:
            self.patches *= turn.cpu().numpy()
        probe = self.probe
        if probe is None:
            probe = torch.zeros((0, *job.frame.patch_shape), dtype=torch.complex64)
        return Reconstruction(
            object=(found * turn).cpu().masked_fill_(hidden, _nan()).numpy(),
            pixel=job.pixel,
            unit=job.scan.unit,
            corner=(
                job.frame.corner_px[0] * job.pixel[0],
                job.frame.corner_px[1] * job.pixel[1],
            ),
            probe=probe.cpu().numpy(),
            positions=job.scan.positions[job.chosen],
            indices=job.chosen,
            coverage=self.light.contiguous().cpu().numpy(),
            disagreement=self.spread.cpu().masked_fill(hidden, np.nan).numpy(),
            misfit=self.misfit.per_point.numpy(),
            patches=self.patches,
            settings=job.settings,
            card=job.network.card,
            provenance=job.scan.provenance,
            geometry=job.scan.geometry,
            report=RunReport(
                misfit=self.misfit.total,
                seconds=seconds,
                patterns_per_second=len(job.chosen) / seconds,
                device=describe_device(job.device),
                passes=self.passes,
                probe_rounds=self.probe_rounds,
                sweeps=self.sweeps,
                stopped=stopped,
                messages=tuple(self.messages),
                start=None if job.start is None else job.start.record,
            ),
        )

    def _turn(self) -> Tensor:
        """Unit factor that makes the object's mean real: its global phase is free."""
        found = self.object
        if found is None:
            return torch.ones((), dtype=torch.complex64)
        # As two real sums: real times complex would make the real one complex first.
        real, imaginary = ((self.light * part).sum() for part in (found.real, found.imag))
        return torch.polar(torch.ones_like(real), -torch.atan2(imaginary, real))


def _nan() -> complex:
    return complex(np.nan, np.nan)
