"""Network, averaged weights and optimiser of one training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

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
        self._loss: Tensor | float = 0.0
        self.rate_at = rate_at
        self._optimiser = optimiser
        self._ema = ema

    def learn(self, loss: Tensor) -> None:
        """One optimiser step."""
        for group in self._optimiser.param_groups:
            group["lr"] = self.rate_at(self.step)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimiser.step()
        self.step += 1
        decay = min(self._ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            own = self.network.state_dict()
            moving = [name for name, value in own.items() if value.is_floating_point()]
            torch._foreach_lerp_(
                [self.average[name] for name in moving], [own[name] for name in moving], 1 - decay
            )
            for name in own.keys() - set(moving):
                self.average[name].copy_(own[name])
        # Not as a number: a GPU would have to be waited for at every step.
        share = 0.02 if self.step > 50 else 0.2
        self._loss = self._loss + (loss.detach() - self._loss) * share

    @property
    def loss(self) -> float:
        """Running mean of the loss."""
        return float(self._loss)

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
        self.step, self._loss = state["step"], state["loss"]

    def go_back(self, weights: Mapping[str, Tensor]) -> None:
        """Go on from other weights, with the optimiser's memory cleared."""
        self.network.load_state_dict(weights)
        for name, value in weights.items():
            self.average[name].copy_(value)
        self._optimiser.state.clear()
