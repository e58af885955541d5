"""How far to trust a reconstruction: misfit of every point, and light on every pixel."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from napari_ptychonn.optics.propagation import diffract
from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.measurements import Measurements, batches
from napari_ptychonn.reconstruction.predict import point_probes

__all__ = ["PointMisfit", "misfit_of_points"]

_ALARMING = 0.1
_ALARMING_OVER_NOISE = 4.0


class PointMisfit:
    """R-factor sums of points, filled batch by batch.

    Attributes
    ----------
    missed, counted : Tensor, (M,) float32
        Σ(√I − |F(P·O)|)² and ΣI of every point; NaN where not looked at.
    noise : Tensor, (M,) float32
        What photon noise alone leaves of the first sum, about ¼ for every pixel with a
        photon; NaN where not looked at.
    """

    def __init__(self, n_points: int) -> None:
        self.missed = torch.full((n_points,), torch.nan)
        self.counted = torch.full((n_points,), torch.nan)
        self.noise = torch.full((n_points,), torch.nan)

    @property
    def per_point(self) -> Tensor:
        """R-factor (M,) of every point; NaN for a pattern without a photon."""
        return torch.where(self.counted > 0, self.missed / self.counted, torch.nan)

    @property
    def total(self) -> float:
        """R-factor over all points looked at."""
        return float(self.missed.nansum() / self.counted.nansum())

    @property
    def alarm(self) -> str | None:
        """A sentence where the misfit is large and photons are no excuse, else None."""
        floor = float(self.noise.nansum() / self.counted.nansum())
        if not self.total > max(_ALARMING, _ALARMING_OVER_NOISE * floor):
            return None
        return (
            f"The misfit is {self.total:.2f}, where photon noise explains {floor:.2f}: do not "
            "trust this picture. Check the probe, the distance, the orientation and the positions."
        )


@torch.inference_mode()
def misfit_of_points(
    measurements: Measurements, frame: Frame, object_: Tensor, probe: Tensor, *, batch_size: int
) -> Iterator[PointMisfit]:
    """Misfit of object and probe with every measured pattern.

    Yields
    ------
    PointMisfit
        The same one after every batch, filled further.
    """
    found = PointMisfit(frame.n_points)
    for points in batches(frame.n_points, batch_size):
        on_device = points.to(measurements.device)
        light = point_probes(probe, frame, on_device)
        modelled = diffract(light, cut_windows(object_, frame.indices(on_device))).sqrt()
        amplitude = measurements.amplitude(points)
        missed = ((amplitude - modelled).square() * measurements.mask).sum((-2, -1))
        found.missed[points] = missed.cpu()
        counted = (amplitude.square() * measurements.mask).sum((-2, -1))
        found.counted[points] = counted.cpu()
        noise = (amplitude.square().clamp_max(0.25) * measurements.mask).sum((-2, -1))
        found.noise[points] = noise.cpu()
        yield found
