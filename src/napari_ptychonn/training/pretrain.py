"""Pretraining of the bundled networks on simulated data made on the fly."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napari_ptychonn.errors import NetworkError, OutputError, PtychonnError
from napari_ptychonn.network.card import Family
from napari_ptychonn.network.weights import load_network
from napari_ptychonn.reconstruction.events import (
    Event,
    Finished,
    Metrics,
    Progress,
    ShouldStop,
    never,
)
from napari_ptychonn.training.checkpoint import load_checkpoint, save_checkpoint
from napari_ptychonn.training.examples import ExampleSettings
from napari_ptychonn.training.feeder import drawn_examples, generator_of
from napari_ptychonn.training.recipes import recipe_of
from napari_ptychonn.training.run import TrainingRun, cosine

__all__ = ["PretrainSettings", "Trained", "pretrain"]

_CHECKPOINT_SECONDS = 60
_MAY_CHANGE = ("folder", "steps", "minutes", "device", "validate_every", "workers", "start")
"""Settings that a training may go on with."""


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
    blocks : int
        Its residual blocks at the coarsest level.
    swept : bool
        Teach a `ptychonn-probe` network on scans that go through the passes of a job, to
        polish one that is trained; else on small fields.
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
    workers : int
        Processes that draw examples; 0: this one. The examples are the same.
    start : Path or None
        Network file whose weights to start from; None: fresh ones. A checkpoint in the
        folder wins over it.
    """

    folder: Path
    family: Family = "ptychonn-probe"
    channels: tuple[int, int, int] = (64, 128, 192)
    blocks: int = 3
    swept: bool = False
    steps: int = 6_000
    minutes: float | None = None
    device: str = "cpu"
    examples: ExampleSettings = field(default_factory=ExampleSettings)
    rate: float = 1.2e-3
    ema: float = 0.999
    validate_every: int = 250
    bf16: bool = True
    seed: int = 0
    workers: int = 0
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
    recipe = recipe_of(
        settings.family, settings.examples, settings.channels, settings.blocks,
        swept=settings.swept,
    )  # fmt: skip
    torch.manual_seed(settings.seed)
    module = recipe.module()
    if settings.start is not None:
        _start_from(module, settings.start, settings.family)
    module.to(device)
    run = TrainingRun(
        module,
        torch.optim.AdamW(module.parameters(), lr=settings.rate, weight_decay=1e-4),
        lambda step: settings.rate * cosine(step, settings.steps),
        settings.ema,
    )
    metrics: dict[str, float] = {}
    taken = 0
    told = json.dumps(asdict(settings), default=str)

    def keep() -> None:
        state = {**run.state(), "metrics": metrics, "settings": told, "taken": taken}
        save_checkpoint(checkpoint, state)

    checkpoint = settings.folder / "checkpoint.pt"
    if checkpoint.exists():
        state = load_checkpoint(checkpoint)
        _check_checkpoint(checkpoint, state, module, told)
        run.restore(state)
        metrics, taken = state["metrics"], state["taken"]
    started = time.monotonic()
    saved = started
    validated = run.step
    stopped = False
    examples = drawn_examples(recipe, settings.seed, taken, settings.workers)
    while run.step < settings.steps:
        spent = time.monotonic() - started
        stopped = should_stop() or (settings.minutes is not None and spent > settings.minutes * 60)
        if stopped:
            break
        drawn = next(examples)
        rng = generator_of(settings.seed, taken, drawing=False)
        torch.manual_seed(int(rng.integers(2**62)))
        for loss in recipe.losses(run.network, drawn, rng, device, autocast=settings.bf16):
            run.learn(loss)
            yield Progress("training", run.step, settings.steps)
            if run.step >= settings.steps:
                break
        # Only between examples can it go on where it was.
        taken += 1
        now = time.monotonic()
        if run.step >= settings.steps or run.step - validated >= settings.validate_every:
            validated = run.step
            with run.averaged() as network:
                metrics = recipe.validate(network, device, autocast=settings.bf16)
            metrics["training loss"] = run.loss
            _log(settings.folder, {"step": run.step, **metrics})
            yield Metrics(f"step {run.step}", metrics)
        elif now - saved < _CHECKPOINT_SECONDS:
            continue
        keep()
        saved = now
    keep()
    yield Finished(Trained(run.average, run.step, metrics), stopped=stopped)


def _check_checkpoint(path: Path, state: dict[str, Any], module: nn.Module, told: str) -> None:
    own = {name: value.shape for name, value in module.state_dict().items()}
    kept = {name: value.shape for name, value in state.get("network", {}).items()}
    if "taken" not in state or kept != own:
        raise PtychonnError(
            "checkpoint", path, "is that of another network, or of an earlier version",
            remedy="delete it to start afresh, or choose another folder",
        )  # fmt: skip
    then, now = json.loads(state["settings"]), json.loads(told)
    other = [name for name in now if name not in _MAY_CHANGE and now[name] != then.get(name)]
    if other:
        raise PtychonnError(
            "checkpoint", path, f"is of a training with another {' and '.join(other)}",
            remedy="give the same settings, delete it to start afresh, or choose another folder",
        )  # fmt: skip


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
