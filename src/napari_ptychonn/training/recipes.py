"""What a network family is trained on, and how its error is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_ptychonn.network.card import Family, Preprocessing
from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.network.ptychonn import PtychoNN
from napari_ptychonn.optics.propagation import diffract
from napari_ptychonn.optics.windows import cut_windows, window_indices
from napari_ptychonn.simulation.samples import SAMPLE_KINDS, make_sample
from napari_ptychonn.simulation.settings import SAMPLE_SCANS
from napari_ptychonn.simulation.simulate import simulate_lazily
from napari_ptychonn.training.examples import ExampleSettings, FieldBatch, half_known, make_fields
from napari_ptychonn.training.losses import patch_error
from napari_ptychonn.training.passes import run_passes

__all__ = ["HELD_OUT_SAMPLES", "PatternRecipe", "ProbeRecipe", "Recipe", "recipe_of"]

HELD_OUT_SAMPLES = ("siemens-star",)
"""Sample kinds that no training draws from; validation does."""

VALIDATION_SEED = 20_201_027

Sampler = Callable[[tuple[int, int], np.random.Generator], NDArray[np.complex64]]


class Recipe(Protocol):
    """Examples, loss and validation of one family."""

    def module(self) -> nn.Module:
        """Return a network with fresh weights."""
        ...

    def loss(
        self, network: Any, rng: np.random.Generator, device: torch.device, *, autocast: bool
    ) -> Tensor:
        """Loss of the next batch, a scalar with its graph."""
        ...

    def validate(self, network: Any, device: torch.device, *, autocast: bool) -> dict[str, float]:
        """Root weighted squared error on fixed examples, by case."""
        ...


def recipe_of(family: Family, examples: ExampleSettings, channels: tuple[int, int, int]) -> Recipe:
    """Recipe of a family; `channels` are the widths of a `ptychonn-probe` network."""
    return (
        ProbeRecipe(examples, channels) if family == "ptychonn-probe" else PatternRecipe(examples)
    )


class ProbeRecipe:
    """`ptychonn-probe`: any sample under any probe, in passes.

    Half of the batches start flat and go through two or three passes; the others start
    from a spoiled truth, as a stitch is after some passes, and go through one or two.

    Parameters
    ----------
    examples : ExampleSettings
        What the fields look like.
    channels : tuple of int
        Widths of the network.
    large_share : float
        Share of batches with patterns twice as large (and a fourth as many).
    third_pass, later_passes : float
        Shares of batches with one pass more, and of those from a spoiled truth.
    """

    def __init__(
        self,
        examples: ExampleSettings,
        channels: tuple[int, int, int],
        *,
        large_share: float = 0.2,
        third_pass: float = 0.25,
        later_passes: float = 0.5,
    ) -> None:
        self._examples = examples
        self._channels = channels
        self._large_share = large_share
        self._third_pass = third_pass
        self._later_passes = later_passes
        self._validation = _validation_fields(examples)

    def module(self) -> ProbeAwareNet:
        """Return a network with fresh weights."""
        return ProbeAwareNet(self._channels)

    def loss(
        self,
        network: ProbeAwareNet,
        rng: np.random.Generator,
        device: torch.device,
        *,
        autocast: bool,
    ) -> Tensor:
        """Mean root error over all passes."""
        examples = self._examples
        if rng.random() < self._large_share:
            fields = max(1, examples.fields // 4)
            examples = replace(examples, size=2 * examples.size, fields=fields)
        batch = make_fields(examples, rng, sample=training_sample)
        later = rng.random() < self._later_passes
        start = half_known(batch, rng).to(device) if later else None
        passes = (3 if rng.random() < self._third_pass else 2) - later
        batch = batch.to(device)
        predictions = run_passes(network, batch, passes, autocast=autocast, start=start)
        return torch.stack(
            [_root_error(patches, batch.truth, batch.weight).mean() for patches in predictions]
        ).mean()

    @torch.no_grad()
    def validate(
        self, network: ProbeAwareNet, device: torch.device, *, autocast: bool
    ) -> dict[str, float]:
        """Errors of passes 1 to 3 on unseen samples, of trained kinds and of one held out."""
        found = {}
        for name, fields in self._validation.items():
            batch = fields.to(device)
            predictions = run_passes(network, batch, 3, autocast=autocast)
            for number, patches in enumerate(predictions, start=1):
                error = patch_error(patches, batch.truth, batch.weight).clamp_min(0)
                found[f"{name} pass {number}"] = float(error.sqrt().mean())
        return found


class PatternRecipe:
    """`ptychonn`: the setup of one sample scan, one probe, patterns alone.

    Parameters
    ----------
    examples : ExampleSettings
        Its `fields` and `points` say how many patterns a batch has.
    setup : str
        One of :data:`~napari_ptychonn.simulation.settings.SAMPLE_SCANS`.
    """

    setup = "circuit-zone-plate"
    preprocessing = Preprocessing(flux=4096.0)

    def __init__(self, examples: ExampleSettings, setup: str = "circuit-zone-plate") -> None:
        self.setup = setup
        self._examples = examples
        self._photons = SAMPLE_SCANS[setup].photons
        self._size = SAMPLE_SCANS[setup].size
        probe = simulate_lazily(SAMPLE_SCANS[setup]).truth.probe
        self._probe = torch.from_numpy(probe)
        weight = self._probe.abs().square().sum(0)
        self._weight = weight / weight.mean()
        rng = np.random.default_rng(VALIDATION_SEED)
        self._validation = {
            "seen kinds": self._draw(rng, training_sample),
            "held-out kind": self._draw(rng, held_out_sample),
        }

    def module(self) -> PtychoNN:
        """Return the published network with fresh weights."""
        return PtychoNN()

    def loss(
        self, network: PtychoNN, rng: np.random.Generator, device: torch.device, *, autocast: bool
    ) -> Tensor:
        """Mean root error."""
        patterns, truth = self._draw(rng, training_sample)
        patches = self._predict(network, patterns.to(device), autocast=autocast)
        return _root_error(patches, truth.to(device), self._weight.to(device)).mean()

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
            expected = diffract(self._probe, truth).numpy()
            patterns.append(torch.from_numpy(rng.poisson(expected).astype(np.float32)))
            truths.append(truth)
        assert self.preprocessing.flux is not None
        counts = torch.fft.fftshift(torch.cat(patterns), dim=(-2, -1))
        return counts[:, None] * (self.preprocessing.flux / self._photons), torch.cat(truths)


def training_sample(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.complex64]:
    """Sample of a kind that is not held out."""
    kinds = [kind for kind in SAMPLE_KINDS if kind not in HELD_OUT_SAMPLES]
    return make_sample(str(rng.choice(kinds)), shape, rng)


def held_out_sample(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.complex64]:
    """Sample of a kind that is held out."""
    return make_sample(str(rng.choice(HELD_OUT_SAMPLES)), shape, rng)


def _validation_fields(usual: ExampleSettings) -> dict[str, FieldBatch]:
    rng = np.random.default_rng(VALIDATION_SEED)
    right = replace(usual, wrong_probe=0, gaps=0, background=0, second_mode=0)
    return {
        f"{name} {dose:.0e} photons": make_fields(
            replace(right, photons=(dose, dose * 1.001)), rng, sample=sampler
        )
        for name, sampler in (("seen kinds", training_sample), ("held-out kind", held_out_sample))
        for dose in (1e3, 1e5)
    }


def _root_error(patches: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    # The root weighs an easy, well-lit field as much as a dark one.
    return (patch_error(patches, truth, weight).clamp_min(0) + 1e-4).sqrt()
