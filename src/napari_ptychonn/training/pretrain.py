"""Pretraining of the bundled networks on simulated data made on the fly."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_ptychonn.errors import NetworkError, OutputError
from napari_ptychonn.network.card import Family
from napari_ptychonn.network.weights import channels_last, load_network
from napari_ptychonn.reconstruction.events import (
    Event,
    Finished,
    Metrics,
    Progress,
    ShouldStop,
    never,
)
from napari_ptychonn.training.checkpoint import (
    load_checkpoint,
    random_state,
    restore_random_state,
    save_checkpoint,
)
from napari_ptychonn.training.examples import ExampleSettings
from napari_ptychonn.training.recipes import recipe_of

__all__ = ["PretrainSettings", "Trained", "pretrain"]

_CHECKPOINT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class PretrainSettings:
    """Settings of :func:`pretrain`.

    Attributes
    ----------
    folder : Path
        Where checkpoint and log go; a checkpoint found there is resumed.
    family : {"ptychonn-probe", "ptychonn"}
        What to train.
    channels : tuple of int
        Widths of a `ptychonn-probe` network.
    steps : int
        Optimiser steps of the whole schedule.
    minutes : float or None
        Stop, resumable, after this many minutes of this run; None: run to the end.
    device : str
        ``"cpu"``, ``"cuda"``, …
    examples : ExampleSettings
        What the examples look like.
    rate : float
        Peak learning rate of the cosine schedule.
    ema : float
        Decay of the averaged weights.
    validate_every : int
        Steps between validations.
    bf16 : bool
        Run convolutions in bfloat16.
    seed : int
        Seed of weights and examples.
    start : Path or None
        Network file whose weights to start from; None: fresh ones. A checkpoint in the
        folder wins over it.
    """

    folder: Path
    family: Family = "ptychonn-probe"
    channels: tuple[int, int, int] = (32, 64, 128)
    steps: int = 6_000
    minutes: float | None = None
    device: str = "cpu"
    examples: ExampleSettings = field(default_factory=ExampleSettings)
    rate: float = 1.2e-3
    ema: float = 0.999
    validate_every: int = 250
    bf16: bool = True
    seed: int = 0
    start: Path | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training made.

    Attributes
    ----------
    state : dict
        Averaged weights.
    step : int
        Steps done.
    metrics : dict
        Last validation.
    """

    state: dict[str, Tensor]
    step: int
    metrics: dict[str, float]


def pretrain(
    settings: PretrainSettings, *, should_stop: ShouldStop = never
) -> Iterator[Event[Trained]]:
    """Train a network; resume where an earlier run stopped.

    Yields
    ------
    Event
        :class:`Progress` per step, :class:`Metrics` per validation, and :class:`Finished`.

    Raises
    ------
    NetworkError
        The network to start from cannot be read, or is of another family or shape.
    OutputError, PtychonnError
        The checkpoint cannot be written or read.
    """
    device = torch.device(settings.device)
    recipe = recipe_of(settings.family, settings.examples, settings.channels)
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    module = recipe.module()
    if settings.start is not None:
        _start_from(module, settings.start, settings.family)
    run = _Run(module, settings, device)
    checkpoint = settings.folder / "checkpoint.pt"
    if checkpoint.exists():
        restore_random_state(rng, run.restore(load_checkpoint(checkpoint)))
    started = time.monotonic()
    saved = started
    stopped = False
    while run.step < settings.steps:
        spent = time.monotonic() - started
        stopped = should_stop() or (settings.minutes is not None and spent > settings.minutes * 60)
        if stopped:
            break
        run.learn(recipe.loss(run.network, rng, device, autocast=settings.bf16))
        yield Progress("training", run.step, settings.steps)
        now = time.monotonic()
        if run.step % settings.validate_every == 0 or run.step == settings.steps:
            with run.averaged() as network:
                run.metrics = recipe.validate(network, device, autocast=settings.bf16)
            run.metrics["training loss"] = run.loss
            _log(settings.folder, {"step": run.step, **run.metrics})
            yield Metrics(f"step {run.step}", run.metrics)
        elif now - saved < _CHECKPOINT_SECONDS:
            continue
        save_checkpoint(checkpoint, {**run.state(), "random": random_state(rng)})
        saved = now
    save_checkpoint(checkpoint, {**run.state(), "random": random_state(rng)})
    yield Finished(Trained(run.average, run.step, run.metrics), stopped=stopped)


def _start_from(module: nn.Module, path: Path, family: Family) -> None:
    """Give `module` the weights of a network file."""
    network = load_network(path)
    given, own = network.module.state_dict(), module.state_dict()
    shapes = [{name: value.shape for name, value in state.items()} for state in (given, own)]
    if network.card.family != family or shapes[0] != shapes[1]:
        raise NetworkError(
            "network", path, f"is no {family} of the widths that are to be trained",
            remedy="choose another file to start from",
        )  # fmt: skip
    module.load_state_dict(given)


def schedule(step: int, steps: int, warmup: int = 200) -> float:
    """Learning rate as a share of its peak: linear warm-up, then a cosine to 1 %."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return float(0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * done)))


class _Run:
    """Network, averaged weights and optimiser of one training."""

    def __init__(
        self, network: nn.Module, settings: PretrainSettings, device: torch.device
    ) -> None:
        self.network = channels_last(network.to(device))
        self.average = {
            name: value.detach().clone() for name, value in network.state_dict().items()
        }
        self.step = 0
        self.loss = 0.0
        self.metrics: dict[str, float] = {}
        self._settings = settings
        self._optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=settings.rate, weight_decay=1e-4
        )

    def learn(self, loss: Tensor) -> None:
        """One optimiser step."""
        settings = self._settings
        for group in self._optimiser.param_groups:
            group["lr"] = settings.rate * schedule(self.step, settings.steps)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimiser.step()
        self.step += 1
        decay = min(settings.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                self.average[name].lerp_(value, 1 - decay)
        self.loss += (float(loss.detach()) - self.loss) * (0.02 if self.step > 50 else 0.2)

    @contextmanager
    def averaged(self) -> Iterator[nn.Module]:
        """The network with the averaged weights, for as long as the block runs."""
        own = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average)
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
            "metrics": self.metrics,
            "settings": json.dumps(asdict(self._settings), default=str),
        }

    def restore(self, state: dict[str, Any]) -> dict[str, Any]:
        """Take over what :meth:`state` gave; return the random state."""
        self.network.load_state_dict(state["network"])
        for name, value in state["average"].items():
            self.average[name].copy_(value)
        self._optimiser.load_state_dict(state["optimiser"])
        self.step, self.loss = state["step"], state["loss"]
        self.metrics = state["metrics"]
        return dict(state["random"])


def _log(folder: Path, line: dict[str, Any]) -> None:
    rounded = {
        key: round(value, 5) if isinstance(value, float) else value for key, value in line.items()
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(rounded) + "\n")
    except OSError as error:
        raise OutputError(
            "training log", folder / "log.jsonl", str(error), remedy="choose another folder"
        ) from error
