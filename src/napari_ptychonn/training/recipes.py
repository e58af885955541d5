"""What a network family is trained on, and how its error is measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from napari_ptychonn.network.card import Family
from napari_ptychonn.training.examples import ExampleSettings
from napari_ptychonn.training.pattern_recipe import PatternRecipe
from napari_ptychonn.training.probe_recipe import ProbeRecipe
from napari_ptychonn.training.swept_recipe import SweptRecipe

__all__ = ["Recipe", "recipe_of"]


class Recipe(Protocol):
    """Examples, losses and validation of one family."""

    def module(self) -> nn.Module:
        """Return a network with fresh weights."""
        ...

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw what the next losses are about; it may run in another process."""
        ...

    def losses(
        self,
        network: Any,
        drawn: Any,
        rng: np.random.Generator,
        device: torch.device,
        *,
        autocast: bool,
    ) -> Iterator[Tensor]:
        """Losses of what was drawn, scalars with their graphs; one optimiser step for each."""
        ...

    def validate(self, network: Any, device: torch.device, *, autocast: bool) -> dict[str, float]:
        """Root weighted squared error on fixed examples, by case."""
        ...


def recipe_of(
    family: Family,
    examples: ExampleSettings,
    channels: tuple[int, int, int],
    blocks: int,
    *,
    swept: bool = False,
) -> Recipe:
    """Recipe of a family; all but `examples` are those of a `ptychonn-probe` network."""
    if family == "ptychonn":
        return PatternRecipe(examples)
    return (SweptRecipe if swept else ProbeRecipe)(examples, channels, blocks)
