"""PtychoNN: patches straight from diffraction patterns, without being told the probe.

The published network (Cherukara et al. 2020, doi:10.1063/5.0013065) and its relatives:
phase only, with batch normalisation, with a predicted variance, with grouped heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from napari_ptychonn.errors import NetworkError

__all__ = ["Head", "PtychoNN"]

Head = Literal["amplitude", "phase"]

GROUPED_ORDER: tuple[Head, ...] = ("phase", "amplitude")
"""Order of the channels where one grouped decoder serves both heads."""


class PtychoNN(nn.Module):
    """Encoder and one decoder per head; the defaults are the published PyTorch network.

    Parameters
    ----------
    encoder : sequence of int
        Channels of the encoder's levels; each level halves the side.
    decoder : sequence of int
        Channels of a decoder's levels; each level doubles the side.
    heads : sequence of {"amplitude", "phase"}
        What is predicted; without an amplitude head the amplitude is 1.
    channels_per_head : int
        Channels of each head: 1, or 2 where a log-variance follows the mean.
    batch_norm : bool
        Whether every convolution inside is followed by batch normalisation.
    output_norm : bool
        Whether the last convolution is normalised too.
    bias : bool
        Whether the convolutions have a bias.
    grouped : bool
        One decoder of doubled width whose two groups are the heads; each then sees only
        half of the encoder's channels.

    Raises
    ------
    NetworkError
        The settings describe no network.
    """

    def __init__(
        self,
        *,
        encoder: Sequence[int] = (32, 64, 128),
        decoder: Sequence[int] = (128, 64, 64),
        heads: Sequence[Head] = ("amplitude", "phase"),
        channels_per_head: int = 1,
        batch_norm: bool = False,
        output_norm: bool = False,
        bias: bool = True,
        grouped: bool = False,
    ) -> None:
        super().__init__()
        _check(encoder, decoder, heads, channels_per_head, grouped)
        self.heads: tuple[Head, ...] = GROUPED_ORDER if grouped else tuple(heads)
        self.size_multiple = 2 ** len(encoder)
        self.grouped = grouped
        groups = len(self.heads) if grouped else 1

        layers: list[nn.Module] = []
        width = 1
        for channels in encoder:
            layers += [*_block(width, channels, 1, batch_norm, bias), nn.MaxPool2d(2)]
            width = channels
        self.encoder = nn.Sequential(*layers)

        def make_decoder() -> nn.Sequential:
            layers: list[nn.Module] = []
            width = encoder[-1]
            for channels in (groups * channels for channels in decoder):
                layers += _block(width, channels, groups, batch_norm, bias)
                layers.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
                width = channels
            last = groups * channels_per_head
            layers.append(nn.Conv2d(width, last, 3, padding=1, groups=groups, bias=bias))
            if output_norm:
                layers.append(nn.BatchNorm2d(last))
            return nn.Sequential(*layers)

        names = ("both",) if grouped else self.heads
        self.decoders = nn.ModuleDict({name: make_decoder() for name in names})

    def forward(self, patterns: Tensor) -> tuple[Tensor, Tensor]:
        """Amplitude and phase of the patches.

        Parameters
        ----------
        patterns : Tensor, (B, 1, H, W) float
            Preprocessed patterns, DC at the centre; H and W are multiples of
            `size_multiple`.

        Returns
        -------
        tuple of Tensor, (B, 1, H, W) float32 each
            Amplitude in (0, 1) (ones where there is no such head) and phase in (-π, π),
            radians.

        Raises
        ------
        NetworkError
            H or W does not divide.
        """
        height, width = patterns.shape[-2:]
        if height % self.size_multiple or width % self.size_multiple:
            raise NetworkError(
                "pattern size", None, f"{height}×{width} is no multiple of {self.size_multiple}",
                remedy=f"crop or pad the patterns to a multiple of {self.size_multiple}",
            )  # fmt: skip
        latent = self.encoder(patterns)
        if self.grouped:
            parts = self.decoders["both"](latent).chunk(len(self.heads), dim=1)
            raw = dict(zip(self.heads, parts, strict=True))
        else:
            raw = {name: self.decoders[name](latent) for name in self.heads}
        # Only the first channel is the prediction; a second one is its log-variance. The
        # activations run in float32, so that autocast costs no phase resolution.
        phase = torch.pi * torch.tanh(raw["phase"][:, :1].float())
        if "amplitude" not in raw:
            return torch.ones_like(phase), phase
        return torch.sigmoid(raw["amplitude"][:, :1].float()), phase

    def patches(self, patterns: Tensor) -> Tensor:
        """Complex patches A·exp(iφ).

        Parameters
        ----------
        patterns : Tensor, (B, 1, H, W) float
            As in :meth:`forward`.

        Returns
        -------
        Tensor, (B, H, W) complex64
        """
        amplitude, phase = self(patterns)
        return torch.polar(amplitude[:, 0], phase[:, 0])


def _block(
    channels_in: int, channels_out: int, groups: int, batch_norm: bool, bias: bool
) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for width in (channels_in, channels_out):
        layers.append(nn.Conv2d(width, channels_out, 3, padding=1, groups=groups, bias=bias))
        if batch_norm:
            layers.append(nn.BatchNorm2d(channels_out))
        layers.append(nn.ReLU())
    return layers


def _check(
    encoder: Sequence[int],
    decoder: Sequence[int],
    heads: Sequence[Head],
    channels_per_head: int,
    grouped: bool,
) -> None:
    problem = ""
    if not encoder or len(encoder) != len(decoder):
        problem = f"{len(encoder)} encoder levels, but {len(decoder)} decoder levels"
    elif min(*encoder, *decoder, channels_per_head) < 1:
        problem = "a level without channels"
    elif "phase" not in heads or not set(heads) <= {"amplitude", "phase"}:
        problem = f"heads {tuple(heads)}, but phase is needed and only amplitude may join it"
    elif grouped and set(heads) != {"amplitude", "phase"}:
        problem = "a grouped decoder without both heads"
    if problem:
        raise NetworkError(
            "architecture", None, problem, remedy="use a network file written by this program"
        )
