"""Network, averaged weights and optimiser of one training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from napari_ptychonn.network.weights import channels_last

__all__ = ["TrainingRun", "cosine"]


def cosine(step: int, steps: int, warmup: int = 200) -> float:
    """Learning rate as a share of its peak: linear warm-up, then a cosine to 1 %."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return float(0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * done)))


class TrainingRun:
    """What moves while a network is trained.

    Parameters
    ----------
    network : nn.Module
        On its device.
    optimiser : Optimizer
        Of those of its parameters that learn.
    rate_at : callable
        Learning rate after so many steps.
    ema : float
        Decay of the averaged weights.

    Attributes
    ----------
    network : nn.Module
        With the weights of the last step.
    average : dict of str to Tensor
        Averaged weights.
    step : int
        Steps done.
    """

    def __init__(
        self,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        rate_at: Callable[[int], float],
        ema: float,
    ) -> None:
        self.network = channels_last(network)
        self.average = {
            name: value.detach().clone() for name, value in network.state_dict().items()
        }
        self.step = 0
        self._loss = torch.zeros((), device=next(network.parameters()).device)
        self.rate_at = rate_at
        self._optimiser = optimiser
        self._ema = ema
        self._floats, self._others = _pairs(self.average, self.network.state_dict())

    @property
    def loss(self) -> float:
        """Running mean of the loss; a GPU is waited for."""
        return float(self._loss)

    def learn(self, loss: Tensor) -> None:
        """One optimiser step; nothing in it waits for a GPU."""
        for group in self._optimiser.param_groups:
            group["lr"] = self.rate_at(self.step)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimiser.step()
        self.step += 1
        decay = min(self._ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            get_ema_multi_avg_fn(decay)(*self._floats, None)
            for kept, value in zip(*self._others, strict=True):
                kept.copy_(value)
            self._loss.lerp_(loss.detach().to(self._loss), 0.02 if self.step > 50 else 0.2)

    def averaged(self) -> AbstractContextManager[nn.Module]:
        """The network with the averaged weights, for as long as the block runs."""
        return self.using(self.average)

    @contextmanager
    def using(self, weights: Mapping[str, Tensor]) -> Iterator[nn.Module]:
        """The network with other weights, and not in training, while the block runs."""
        own = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(weights)
        self.network.eval()
        try:
            yield self.network
        finally:
            self.network.load_state_dict(own)
            self.network.train()

    def state(self) -> dict[str, Any]:
        """Everything that a resumed training needs, but the random state."""
        return {
            "network": self.network.state_dict(),
            "average": self.average,
            "optimiser": self._optimiser.state_dict(),
            "step": self.step,
            "loss": self.loss,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        self.network.load_state_dict(state["network"])
        for name, value in state["average"].items():
            self.average[name].copy_(value)
        self._optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]
        self._loss.fill_(state["loss"])

    def go_back(self, weights: Mapping[str, Tensor]) -> None:
        """Go on from other weights, with the optimiser's memory cleared."""
        self.network.load_state_dict(weights)
        for name, value in weights.items():
            self.average[name].copy_(value)
        self._optimiser.state.clear()


def _pairs(
    kept: Mapping[str, Tensor], values: Mapping[str, Tensor]
) -> tuple[tuple[list[Tensor], list[Tensor]], tuple[list[Tensor], list[Tensor]]]:
    """The same tensors of two states, side by side: first those of floats, then the others."""
    found: tuple[tuple[list[Tensor], list[Tensor]], tuple[list[Tensor], list[Tensor]]]
    found = (([], []), ([], []))
    for name, value in values.items():
        ours, theirs = found[0 if value.is_floating_point() else 1]
        ours.append(kept[name])
        theirs.append(value)
    return found
