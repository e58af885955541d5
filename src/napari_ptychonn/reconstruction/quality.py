"""How far to trust a reconstruction: misfit of every point, light and spread on every pixel."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from napari_ptychonn.optics.propagation import exit_waves, intensity, to_detector, to_object
from napari_ptychonn.optics.windows import add_windows, cut_windows
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.measurements import Measurements, batches
from napari_ptychonn.reconstruction.sweeping import point_probes

__all__ = ["PointMisfit", "misfit_of_points"]

_ALARMING = 0.03
_ALARMING_OVER_NOISE = 8.0


class PointMisfit:
    """What points and pixels have against a reconstruction, filled batch by batch.

    Parameters
    ----------
    frame : Frame
        Places of the M points on the (H, W) object.

    Attributes
    ----------
    missed, counted : Tensor, (M,) float32
        Σ(√I − |F(P·O)|)² and ΣI of every point; NaN where not looked at.
    noise : Tensor, (M,) float32
        What photon noise alone leaves of the first sum, about ¼ for every pixel with a
        photon; NaN where not looked at.
    """

    def __init__(self, frame: Frame) -> None:
        self.missed = torch.full((frame.n_points,), torch.nan)
        self.counted = torch.full((frame.n_points,), torch.nan)
        self.noise = torch.full((frame.n_points,), torch.nan)
        # One number seen from every pixel until a point comes: large objects have many pixels.
        self._light = torch.zeros((), device=frame.corners.device).expand(frame.shape)
        self._spread = self._light

    @property
    def per_point(self) -> Tensor:
        """R-factor (M,) of every point; NaN for a pattern without a photon."""
        return torch.where(self.counted > 0, self.missed / self.counted, torch.nan)

    @property
    def total(self) -> float:
        """R-factor over all points looked at."""
        return float(self.missed.nansum() / self.counted.nansum())

    @property
    def disagreement(self) -> Tensor:
        """Weighted standard deviation (H, W) of what the points make of each pixel.

        A point would have O + P*(ψ′ − ψ) / Σ|P|² there, with the measured modulus in ψ′.
        """
        return (self._spread / self._light.clamp_min(1e-30)).sqrt_()

    def alarm(self, *, started: bool = False) -> str | None:
        """A sentence where the misfit is large and photons are no excuse, else None.

        It names what to check, the object it starts from too where it `started` from one.
        """
        floor = float(self.noise.nansum() / self.counted.nansum())
        if not self.total > max(_ALARMING, _ALARMING_OVER_NOISE * floor):
            return None
        what = "the probe, the distance, the orientation and the positions"
        if started:
            what = f"the object it starts from, {what}"
        return (
            f"The misfit is {self.total:.3f}, where photon noise explains {floor:.3f}: do not "
            f"trust this picture. Check {what}."
        )

    def add_spread(self, pull: Tensor, power: Tensor, indices: Tensor) -> None:
        """Take P*(ψ′ − ψ) and Σ|P|² (B, h, w) of a batch in its windows."""
        if self._spread is self._light:
            self._light, self._spread = self._light.clone(), self._light.clone()
        floor = 1e-3 * power.amax((-2, -1), keepdim=True)
        add_windows(self._spread, indices, intensity(pull.unsqueeze(-3)) / (power + floor))
        add_windows(self._light, indices, power)


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
    found = PointMisfit(frame)
    mask = measurements.mask
    for points in batches(frame.n_points, batch_size):
        on_device = points.to(measurements.device)
        indices = frame.indices(on_device)
        light = point_probes(probe, frame, on_device)
        light = light if light.dim() == 4 else light[None]
        counts = measurements.counts(points, on_device)
        far = to_detector(exit_waves(light, cut_windows(object_, indices)))
        modelled = intensity(far).sqrt()
        missing = (counts.sqrt() - modelled) * mask
        change = to_object(far * (missing / modelled.clamp_min(1e-6)).unsqueeze(-3))
        power = intensity(light).expand_as(counts)
        found.add_spread((light.conj() * change).sum(-3), power, indices)
        sums = torch.stack(
            (
                missing.square().sum((-2, -1)),
                (counts * mask).sum((-2, -1)),
                (counts.clamp_max(0.25) * mask).sum((-2, -1)),
            )
        ).cpu()
        for kept, part in zip((found.missed, found.counted, found.noise), sums, strict=True):
            kept[points] = part
        yield found
