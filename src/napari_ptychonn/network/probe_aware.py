"""The `ptychonn-probe` network: PtychoNN that is told what the light looked like.

Its input is real-space. The exit wave of the current estimate is propagated, its modulus
replaced by the measured amplitude, and propagated back; what that says about the object
(one step of the ptychographic iterative engine, Maiden & Rodenburg 2009,
doi:10.1016/j.ultramic.2009.05.012), beside the estimate and the illumination, is what a
small U-Net turns into the object. Being image-to-image it takes any pattern size that is
a multiple of 8, and any far-field probe.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_ptychonn.optics.propagation import exit_waves, to_detector, to_object

__all__ = ["ProbeAwareNet", "anchor", "believed", "features"]

INPUT_CHANNELS = 7
_EPSILON = 0.05
_CLIP = 4.0
_NOISE_TO_DETAIL = 5.0
_LEAST_ERROR, _LARGEST_ERROR = 0.02, 1.0


class ProbeAwareNet(nn.Module):
    """A U-Net on pixel-unshuffled features.

    No normalisation layers: passes share weights but not statistics, and a scan has one
    probe, so batch statistics would be those of the scan.

    Parameters
    ----------
    channels : tuple of int
        Width at 1/2, 1/4 and 1/8 of the pattern's resolution.
    blocks : int
        Residual blocks in the middle, at 1/8.
    """

    def __init__(self, channels: tuple[int, int, int] = (32, 64, 128), blocks: int = 2) -> None:
        super().__init__()
        fine, middle, coarse = channels
        self.stem = nn.Conv2d(4 * INPUT_CHANNELS, fine, 3, padding=1)
        self.down_fine = _Residual(fine)
        self.to_middle = nn.Conv2d(fine, middle, 2, stride=2)
        self.down_middle = _Residual(middle)
        self.to_coarse = nn.Conv2d(middle, coarse, 2, stride=2)
        self.coarse = nn.Sequential(*(_Residual(coarse) for _ in range(blocks)))
        self.from_coarse = nn.ConvTranspose2d(coarse, middle, 2, stride=2)
        self.up_middle = _Residual(middle)
        self.from_middle = nn.ConvTranspose2d(middle, fine, 2, stride=2)
        self.up_fine = _Residual(fine)
        self.head = nn.Conv2d(fine, 8, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias if self.head.bias is not None else torch.zeros(0))

    def forward(self, inputs: Tensor) -> Tensor:
        """Correction (B, 2, H, W), real and imaginary, to what :func:`believed` says.

        It is in units of the error that :func:`features` gives.

        Parameters
        ----------
        inputs : Tensor, (B, 7, H, W)
            What :func:`features` gives; H and W multiples of 8.
        """
        fine = self.down_fine(self.stem(nn.functional.pixel_unshuffle(inputs, 2)))
        middle = self.down_middle(self.to_middle(fine))
        coarse = self.coarse(self.to_coarse(middle))
        middle = self.up_middle(middle + self.from_coarse(coarse))
        fine = self.up_fine(fine + self.from_middle(middle))
        return nn.functional.pixel_shuffle(self.head(fine), 2)

    def patches(
        self,
        amplitude: Tensor,
        probe: Tensor,
        estimate: Tensor,
        mask: Tensor | None = None,
        *,
        autocast: bool = True,
    ) -> Tensor:
        """Object patches from patterns, the probe, and what is known so far.

        Parameters
        ----------
        amplitude : Tensor, (B, H, W) float
            √counts, DC at the corner.
        probe : Tensor, (modes, H, W) or (B, modes, H, W) complex
            Probe in √photons.
        estimate : Tensor, (B, H, W) complex
            Current object patches; ones where nothing is known.
        mask : Tensor, (H, W) or (B, H, W) bool, optional
            True = good detector pixel, DC at the corner.
        autocast : bool
            Run the convolutions in bfloat16.

        Returns
        -------
        Tensor, (B, H, W) complex64
            In the global phase of `estimate`.
        """
        estimate, turn = anchor(probe, estimate)
        inputs, error = features(amplitude, probe, estimate, mask)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=autocast):
            correction = self(inputs)
        answer = believed(inputs, error) + error * correction.float()
        return torch.view_as_complex(answer.permute(0, 2, 3, 1).contiguous()) * turn


def anchor(probe: Tensor, estimate: Tensor) -> tuple[Tensor, Tensor]:
    """Turn estimates so that their illuminated mean is real; return them and the turn back.

    A pattern does not fix the global phase, and a stitched object may have any: turned
    so, every patch looks to the network like those of its first pass.
    """
    weight = probe.abs().square().sum(-3)
    mean = (weight * estimate).sum((-2, -1), keepdim=True)
    turn = torch.polar(torch.ones_like(mean.real), mean.angle())
    return estimate * turn.conj(), turn


def features(
    amplitude: Tensor, probe: Tensor, estimate: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the network's input and the error that it is measured in.

    Parameters are those of :meth:`ProbeAwareNet.patches`.

    Returns
    -------
    inputs : Tensor, (B, 7, H, W) float32
        Re and Im of O − 1; Re and Im of (C − O) / e, where
        C = O + Σ P*(ψ′ − ψ) / (Σ|P|² + ε max Σ|P|²) and ψ′ has the measured modulus;
        √Σ|P|² over its largest value; 1 / (1 + √Σ|P|²), which tells how noisy C must be;
        and e.
    error : Tensor, (B, 1, 1, 1) float32
        e, the root of the estimate's R-factor, which is about its relative error.
        Measured in it, small errors late in a reconstruction look like large ones early,
        and what agrees with its pattern is left alone.
    """
    if probe.dim() == 3:
        probe = probe.expand(len(estimate), *probe.shape)
    waves = to_detector(exit_waves(probe, estimate))
    modelled = waves.abs().square().sum(-3).sqrt()
    ratio = amplitude / modelled.clamp_min(1e-6)
    if mask is not None:
        ratio = torch.where(mask, ratio, torch.ones_like(ratio))
        amplitude = torch.where(mask, amplitude, modelled)
    missed = (amplitude - modelled).square().sum((-2, -1))
    error = (missed / amplitude.square().sum((-2, -1)).clamp_min(1.0)).sqrt()
    error = error.clamp(_LEAST_ERROR, _LARGEST_ERROR)[:, None, None, None]
    change = to_object(waves * (ratio - 1).unsqueeze(-3))
    power = probe.abs().square().sum(-3)
    peak = power.amax((-2, -1), keepdim=True)
    update = (probe.conj() * change).sum(-3) / (power + _EPSILON * peak)
    told = torch.view_as_real(estimate - 1)
    seen = torch.view_as_real(update) / error
    light = torch.stack(
        ((power / peak).sqrt(), 1 / (1 + power.sqrt()), error[..., 0].expand_as(power)), -1
    )
    inputs = torch.cat((told, seen, light), -1).clamp(-_CLIP, _CLIP)
    return inputs.permute(0, 3, 1, 2), error


def believed(inputs: Tensor, error: Tensor) -> Tensor:
    """Re and Im (B, 2, H, W) of O when C is believed as far as its noise allows.

    C carries a noise of variance about 1 / (2 Σ|P|²), an object details of about 0.1:
    Wiener's weight is then Σ|P|² / (Σ|P|² + 5).
    """
    power = (1 / inputs[:, 5:6] - 1).square()
    step = power / (power + _NOISE_TO_DETAIL) * error * inputs[:, 2:4]
    one = torch.tensor((1.0, 0.0), device=inputs.device)[None, :, None, None]
    return one + inputs[:, 0:2] + step


class _Residual(nn.Module):
    """Two 3×3 convolutions around an identity, the second one starting at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.normal_(self.second.weight, std=1e-3)

    def forward(self, inputs: Tensor) -> Tensor:
        inner = nn.functional.relu(self.first(nn.functional.relu(inputs)))
        return inputs + self.second(inner)
