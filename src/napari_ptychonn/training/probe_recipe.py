"""What a `ptychonn-probe` network is trained on: small fields of points, in passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.training.drawn_samples import (
    VALIDATION_SEED,
    held_out_sample,
    training_sample,
)
from napari_ptychonn.training.examples import (
    DrawnFields,
    ExampleSettings,
    FieldBatch,
    draw_fields,
    expose,
)
from napari_ptychonn.training.graphs import Graphs
from napari_ptychonn.training.losses import patch_error, tile_error
from napari_ptychonn.training.passes import PassState, run_pass

__all__ = ["FORMS", "FieldForm", "ProbeRecipe", "loss_weight"]

_VALIDATED = 16
_FLOOR = 1e-5


@dataclass(frozen=True, slots=True)
class FieldForm:
    """How often fields have a pattern side and a number of points, and how many fields there are.

    Attributes
    ----------
    chance : float
        Share of the batches.
    size, side, fields : float
        In units of the settings'.
    """

    chance: float
    size: int
    side: float
    fields: float


FORMS = (
    FieldForm(0.3, 1, 1, 1),
    FieldForm(0.4, 1, 1.5, 0.5),
    FieldForm(0.2, 1, 2 / 3, 1),
    FieldForm(0.1, 2, 1, 0.25),
)
"""As they are; denser; points so far apart that they hardly overlap; larger patterns."""
_SUBSETS = (4, 9, 18, 40)
_FIRST_REACHES, _REACHES = (0.05, 0.05, 0.1, 0.2), (0.1, 0.2, 0.2, 1.0, 1.0)
_SWEEPS = (1, 1, 1, 2, 3)
_SPARSE_SWEEPS = (1, 2, 4, 8)
_SPARSE_POINTS = 20
_LONG_CHANCE, _LONG = 0.12, (8, 25)


class ProbeRecipe:
    """`ptychonn-probe`: any sample under any probe, in passes.

    A batch goes through some passes, and every pass has a loss of its own. The sweeps of a
    pass are drawn from all that a job may do: far-reaching or averaging ones, few or many, in
    few or many subsets.

    Parameters
    ----------
    examples : ExampleSettings
        What the fields look like.
    channels : tuple of int
        Widths of the network.
    blocks : int
        Its residual blocks at the coarsest level.
    forms : tuple of FieldForm
        What batches are drawn.
    most_passes : int
        A batch goes through one to this many passes.
    turned : float
        Share of batches whose objects the network sees under a random global phase: a
        large object has every phase somewhere.
    """

    def __init__(
        self,
        examples: ExampleSettings,
        channels: tuple[int, int, int],
        blocks: int,
        *,
        forms: tuple[FieldForm, ...] = FORMS,
        most_passes: int = 5,
        turned: float = 0.5,
    ) -> None:
        self._examples = examples
        self._channels, self._blocks = channels, blocks
        self._forms = forms
        self._most_passes = most_passes
        self._turned = turned
        self._validation = _validation_fields(examples)
        self._graphs: Graphs | None = None

    def module(self) -> ProbeAwareNet:
        """Return a network with fresh weights."""
        return ProbeAwareNet(self._channels, self._blocks)

    def draw(self, rng: np.random.Generator) -> DrawnFields:
        """Fields of one form."""
        chances = np.array([form.chance for form in self._forms])
        form = self._forms[int(rng.choice(len(self._forms), p=chances / chances.sum()))]
        usual = self._examples
        examples = replace(
            usual,
            size=usual.size * form.size,
            side=max(2, round(usual.side * form.side)),
            fields=max(1, round(usual.fields * form.fields)),
        )
        return draw_fields(examples, rng, sample=training_sample)

    def losses(
        self,
        network: ProbeAwareNet,
        drawn: DrawnFields,
        rng: np.random.Generator,
        device: torch.device,
        *,
        autocast: bool,
    ) -> Iterator[Tensor]:
        """Mean log error after each pass: every dose counts alike."""
        batch = expose(drawn, device)
        turn = None
        if rng.random() < self._turned:
            angle = torch.from_numpy(rng.uniform(0, 2 * np.pi, (len(drawn.truth), 1, 1)))
            turn = torch.polar(torch.ones_like(angle), angle).to(torch.complex64).to(device)
        if device.type == "cuda" and self._graphs is None:
            self._graphs = Graphs()
        state = PassState(batch, self._graphs)
        weight = loss_weight(batch)
        points = batch.counts.shape[1]
        usual = _SPARSE_SWEEPS if points <= _SPARSE_POINTS else _SWEEPS
        for number in range(int(rng.integers(1, self._most_passes + 1))):
            reach = float(rng.choice(_REACHES if number else _FIRST_REACHES))
            sweeps = int(rng.choice(usual))
            if number and rng.random() < _LONG_CHANCE:
                reach, sweeps = 1.0, int(rng.integers(*_LONG))
            found = run_pass(
                network,
                state,
                subsets=min(int(rng.choice(_SUBSETS)), max(1, points // 2)),
                sweeps=sweeps,
                regularisation=reach,
                autocast=autocast,
                averaged=number > 0,
                turn=turn,
            )
            yield _log_error(found, batch, weight)

    @torch.no_grad()
    def validate(
        self, network: ProbeAwareNet, device: torch.device, *, autocast: bool
    ) -> dict[str, float]:
        """Errors of passes 1 to 3 on unseen samples, of trained kinds and of one held out."""
        found = {}
        for name, fields in self._validation.items():
            batch = expose(fields, device)
            state, weight = PassState(batch), loss_weight(batch)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(VALIDATION_SEED)
                for number in range(1, 4):
                    objects = run_pass(
                        network, state, subsets=18, sweeps=1, regularisation=0.1,
                        autocast=autocast, averaged=number > 1,
                    )  # fmt: skip
                    error = patch_error(objects, batch.truth, weight).clamp_min(0)
                    power = patch_error(torch.zeros_like(objects), batch.truth, weight)
                    found[f"{name} pass {number}"] = float((error / power).sqrt().mean())
        return found


def loss_weight(batch: FieldBatch) -> Tensor:
    """Weight (F, C, C) of every pixel: 1 where there is light, 0 in the dark."""
    light = batch.light
    return light / (light + 0.1 * light.amax((-2, -1), keepdim=True))


def _log_error(found: Tensor, batch: FieldBatch, weight: Tensor) -> Tensor:
    whole = patch_error(found, batch.truth, weight).clamp_min(0)
    tiles = tile_error(found, batch.truth, weight, found.shape[-1] // 4).clamp_min(0)
    return 0.5 * ((whole + _FLOOR).log() + (tiles + _FLOOR).log()).mean()


def _validation_fields(usual: ExampleSettings) -> dict[str, DrawnFields]:
    rng = np.random.default_rng(VALIDATION_SEED)
    right = replace(
        usual, fields=min(usual.fields, _VALIDATED), wrong_probe=0, gaps=0, background=0,
        second_mode=0,
    )  # fmt: skip
    return {
        f"{name} {dose:.0e} photons": draw_fields(
            replace(right, photons=(dose, dose * 1.001)), rng, sample=sampler
        )
        for name, sampler in (("seen kinds", training_sample), ("held-out kind", held_out_sample))
        for dose in (1e2, 1e3, 1e5)
    }
