"""The `ptychonn-probe` network: PtychoNN that is told what the light looked like.

It works where all patterns meet, on the object: physics sweeps bring the patterns onto
the object under the known light (see :mod:`napari_ptychonn.optics.sweep`), and the network
turns what they say, how much of it is noise and how far it still moves into the object
that most likely stood there; what its answer still has of photon noise is then taken out
of small pieces (see :mod:`napari_ptychonn.network.shrinkage`). Being image-to-image it takes
any object, any pattern size and any far-field probe, and costs as much as the object is
large, not as the scan is long.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_ptychonn.network.shrinkage import shrink

__all__ = ["ProbeAwareNet", "features", "object_error"]

INPUT_CHANNELS = 7
_CLIP = 4.0
_LEAST_ERROR, _LARGEST_ERROR = 0.003, 1.0
_UNLIT = 1e-3
_OWN_ERROR = 0.01
"""What an answer is wrong by however bright it is, as a share of an empty pixel. Of two estimates,
one with noise n and one with this error s, n² / (n² + s²) of the second is best."""
_LARGEST_LOG_SHARE = 3.0


class ProbeAwareNet(nn.Module):
    """A U-Net on pixel-unshuffled features.

    No normalisation layers: passes share weights but not statistics, and batch statistics
    would be those of one object.

    Parameters
    ----------
    channels : tuple of int
        Width at 1/2, 1/4 and 1/8 of the object's resolution.
    blocks : int
        Residual blocks in the middle, at 1/8.
    """

    def __init__(self, channels: tuple[int, int, int] = (64, 128, 192), blocks: int = 3) -> None:
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
        self.head = nn.Conv2d(fine, 12, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias if self.head.bias is not None else torch.zeros(0))

    @property
    def reach_px(self) -> int:
        """How far the network looks, at most, in object pixels; a multiple of 8."""
        return 56 + 16 * len(self.coarse)

    def forward(self, inputs: Tensor) -> Tensor:
        """What the network says of every pixel, (B, 3, H, W).

        Real and imaginary part of a correction, in units of the object's error; and the noise
        that is left then, as a logarithm of its share in the photon noise.

        Parameters
        ----------
        inputs : Tensor, (B, 7, H, W)
            What :func:`features` gives; H and W multiples of 8.
        """
        fine = self.down_fine(self.stem(nn.functional.pixel_unshuffle(inputs, 2)))
        middle = self.down_middle(self.to_middle(fine))
        coarse = self.coarse(self.to_coarse(middle))
        # In place and by the same names: these maps are the largest arrays of a job.
        middle = self.from_coarse(coarse).add_(middle)
        middle = self.up_middle(middle)
        fine = self.from_middle(middle).add_(fine)
        fine = self.up_fine(fine)
        return nn.functional.pixel_shuffle(self.head(fine), 2)

    def improve(
        self,
        after: Tensor,
        before: Tensor,
        light: Tensor,
        error: Tensor,
        *,
        peak: Tensor | None = None,
        autocast: bool = True,
    ) -> Tensor:
        """Objects as they most likely are.

        Parameters
        ----------
        after, before : Tensor, (B, H, W) complex
            Objects after and before the sweeps; H and W multiples of 8.
        light : Tensor, (B, H, W) float
            Photons on each pixel, summed over the points.
        error : Tensor, (B, H, W) float
            What :func:`object_error` gives.
        peak : Tensor, (B, 1, 1) float, optional
            Largest light of the whole objects, where these are tiles of them; None: theirs.
        autocast : bool
            Run the convolutions in bfloat16.

        Returns
        -------
        Tensor, (B, H, W) complex64
        """
        peak = _peak(light) if peak is None else peak
        inputs = features(after, before, light, error, peak)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=autocast):
            said = self(inputs).float()
        del inputs
        # A dark tile has no light to compare with: nothing moves there.
        lit = light / (light + _UNLIT * peak).clamp_min(1e-30)
        noise = _noise_variance(light)
        believed = lit * noise / (noise + _OWN_ERROR**2)
        step = (said[:, :2] * (error * believed)[:, None]).permute(0, 2, 3, 1)
        answer = after + torch.view_as_complex(step.contiguous())
        left = lit * noise * said[:, 2].clamp(max=_LARGEST_LOG_SHARE).exp()
        return answer + lit * (shrink(answer, left) - answer)


def object_error(light: Tensor, unexplained: Tensor) -> Tensor:
    """Expected error of every object pixel, relative to an empty one.

    Photon noise leaves a variance of about 1 / (2 Σ|P|²); what the patterns meet beyond
    that (as a share of their photons) is what has not converged.

    Parameters
    ----------
    light : Tensor, (B, H, W) float
        Photons on each pixel.
    unexplained : Tensor, (B, H, W) float
        Misfit beyond noise of the patterns there, summed with their light.
    """
    variance = _noise_variance(light) + unexplained.clamp_min(0) / light.clamp_min(1e-6)
    return variance.sqrt().clamp(_LEAST_ERROR, _LARGEST_ERROR)


def features(
    after: Tensor, before: Tensor, light: Tensor, error: Tensor, peak: Tensor | None = None
) -> Tensor:
    """Return the network's input.

    Parameters are those of :meth:`ProbeAwareNet.improve`.

    Returns
    -------
    Tensor, (B, 7, H, W) float32
        Re and Im of the object after the sweeps; Re and Im of what they changed, in
        units of the error; √light over its largest value; 1 / (1 + √light), which tells
        how noisy the object must be; and the error, as a logarithm.
    """
    peak = (_peak(light) if peak is None else peak).clamp_min(1e-6)
    change = torch.view_as_real(after - before) / error[..., None]
    told = torch.stack(((light / peak).sqrt(), 1 / (1 + light.sqrt()), 1 + error.log10() / 2), -1)
    inputs = torch.cat((torch.view_as_real(after), change, told), -1).clamp_(-_CLIP, _CLIP)
    return inputs.permute(0, 3, 1, 2)


def _noise_variance(light: Tensor) -> Tensor:
    """What photon noise leaves, relative to an empty pixel."""
    return 0.5 / (light + 1)


def _peak(light: Tensor) -> Tensor:
    return light.amax((-2, -1), keepdim=True)


class _Residual(nn.Module):
    """Two 3×3 convolutions around an identity, the second one starting near zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.normal_(self.second.weight, std=1e-3)

    def forward(self, inputs: Tensor) -> Tensor:
        inner = nn.functional.relu_(self.first(nn.functional.relu(inputs)))
        return self.second(inner).add_(inputs)
