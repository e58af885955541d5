"""The best weights so far, and how good they and those started from are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor

from napari_ptychonn.training.finetune_events import Standing

__all__ = ["Best"]


class Best:
    """Keeps the weights with the lowest held-out loss; those started from are the first.

    Parameters
    ----------
    start : Mapping of str to Tensor
        Weights started from.

    Attributes
    ----------
    weights : dict of str to Tensor
        The best ones, copies.
    standing : Standing or None
        How good they are; None: nothing was judged yet.
    step : int
        Steps after which they stood.
    """

    def __init__(self, start: Mapping[str, Tensor]) -> None:
        self.weights = _copies(start)
        self.standing: Standing | None = None
        self.step = 0

    def offer(self, weights: Mapping[str, Tensor], standing: Standing, step: int) -> bool:
        """Keep weights where they are better; whether they are."""
        if self.standing is not None and not standing.loss < self.standing.loss:
            return False
        self.weights, self.standing, self.step = _copies(weights), standing, step
        return True

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        told = None if self.standing is None else asdict(self.standing)
        return {"weights": self.weights, "standing": told, "step": self.step}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        device = next(iter(self.weights.values())).device
        self.weights = {name: value.to(device) for name, value in state["weights"].items()}
        self.standing = None if state["standing"] is None else Standing(**state["standing"])
        self.step = state["step"]


def _copies(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in weights.items()}
