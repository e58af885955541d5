"""What a `ptychonn` network is trained on: patterns of one setup, and the patches they are of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from napari_ptychonn.network.card import Preprocessing
from napari_ptychonn.network.ptychonn import PtychoNN
from napari_ptychonn.optics.propagation import diffract
from napari_ptychonn.optics.windows import cut_windows, window_indices
from napari_ptychonn.simulation.settings import SAMPLE_SCANS
from napari_ptychonn.simulation.simulate import simulate_lazily
from napari_ptychonn.training.drawn_samples import (
    VALIDATION_SEED,
    held_out_sample,
    training_sample,
)
from napari_ptychonn.training.examples import ExampleSettings, Sampler
from napari_ptychonn.training.losses import patch_error

__all__ = ["PatternRecipe"]


class PatternRecipe:
    """`ptychonn`: the setup of one sample scan, one probe, patterns alone.

    Parameters
    ----------
    examples : ExampleSettings
        Its `fields` and `points` say how many patterns a batch has.
    setup : str
        One of :data:`~napari_ptychonn.simulation.settings.SAMPLE_SCANS`.
    probe : Tensor, (1, S, S) complex64, optional
        Another probe in that setup, √photons; None: its own.

    Attributes
    ----------
    probe : Tensor, (1, S, S) complex64
        The one in use.
    """

    setup = "circuit-zone-plate"
    preprocessing = Preprocessing(flux=4096.0)

    def __init__(
        self,
        examples: ExampleSettings,
        setup: str = "circuit-zone-plate",
        probe: Tensor | None = None,
    ) -> None:
        self.setup = setup
        self._examples = examples
        self._photons = SAMPLE_SCANS[setup].photons
        self._size = SAMPLE_SCANS[setup].size
        own = torch.from_numpy(simulate_lazily(SAMPLE_SCANS[setup]).truth.probe)
        self.probe = own if probe is None else probe
        weight = self.probe.abs().square().sum(0)
        self._weight = weight / weight.mean()
        rng = np.random.default_rng(VALIDATION_SEED)
        self._validation = {
            "seen kinds": self._draw(rng, training_sample),
            "held-out kind": self._draw(rng, held_out_sample),
        }

    def module(self) -> PtychoNN:
        """Return the published network with fresh weights."""
        return PtychoNN()

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Patterns, and the patches that they are of."""
        return self._draw(rng, training_sample)

    def losses(
        self,
        network: PtychoNN,
        drawn: tuple[Tensor, Tensor],
        rng: np.random.Generator,  # noqa: ARG002
        device: torch.device,
        *,
        autocast: bool,
    ) -> Iterator[Tensor]:
        """Mean root error."""
        patterns, truth = drawn
        patches = self._predict(network, patterns.to(device), autocast=autocast)
        yield _root_error(patches, truth.to(device), self._weight.to(device)).mean()

    @torch.no_grad()
    def validate(
        self, network: PtychoNN, device: torch.device, *, autocast: bool
    ) -> dict[str, float]:
        """Errors on unseen samples of trained kinds and of one held out."""
        found = {}
        for name, (patterns, truth) in self._validation.items():
            patches = self._predict(network, patterns.to(device), autocast=autocast)
            error = patch_error(patches, truth.to(device), self._weight.to(device)).clamp_min(0)
            found[name] = float(error.sqrt().mean())
        return found

    @staticmethod
    def _predict(network: PtychoNN, patterns: Tensor, *, autocast: bool) -> Tensor:
        patterns = patterns.contiguous(memory_format=torch.channels_last)
        with torch.autocast(patterns.device.type, torch.bfloat16, enabled=autocast):
            return network.patches(patterns)

    def _draw(self, rng: np.random.Generator, sample: Sampler) -> tuple[Tensor, Tensor]:
        size, span = self._size, self._size + self._size // 2
        patterns, truths = [], []
        for _ in range(self._examples.fields):
            whole = torch.from_numpy(sample((span, span), rng))
            corners = torch.from_numpy(rng.integers(0, span - size, (self._examples.points, 2)))
            truth = cut_windows(whole, window_indices(corners, (size, size), span))
            expected = diffract(self.probe, truth).numpy()
            patterns.append(torch.from_numpy(rng.poisson(expected).astype(np.float32)))
            truths.append(truth)
        assert self.preprocessing.flux is not None
        counts = torch.fft.fftshift(torch.cat(patterns), dim=(-2, -1))
        return counts[:, None] * (self.preprocessing.flux / self._photons), torch.cat(truths)


def _root_error(patches: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    # The root weighs an easy, well-lit field as much as a dark one.
    return (patch_error(patches, truth, weight).clamp_min(0) + 1e-4).sqrt()
