"""Pretraining of the bundled networks on simulated data made on the fly."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.reconstruction.events import (
    Event,
    Finished,
    Metrics,
    Progress,
    ShouldStop,
    never,
)
from napari_ptychonn.simulation.samples import SAMPLE_KINDS, make_sample
from napari_ptychonn.training.checkpoint import (
    load_checkpoint,
    random_state,
    restore_random_state,
    save_checkpoint,
)
from napari_ptychonn.training.examples import (
    ExampleSettings,
    FieldBatch,
    half_known,
    make_fields,
)
from napari_ptychonn.training.losses import patch_error
from napari_ptychonn.training.passes import run_passes

__all__ = ["HELD_OUT_SAMPLES", "PretrainSettings", "Trained", "pretrain"]

HELD_OUT_SAMPLES = ("siemens-star",)
"""Sample kinds that no training draws from; validation does."""

_VALIDATION_SEED = 20_201_027


@dataclass(frozen=True, slots=True)
class PretrainSettings:
    """Settings of :func:`pretrain`.

    Attributes
    ----------
    folder : Path
        Where checkpoint and log go; a checkpoint found there is resumed.
    channels : tuple of int
        Widths of the network.
    steps : int
        Optimiser steps of the whole schedule.
    minutes : float or None
        Stop, resumable, after this many minutes of this run; None: run to the end.
    device : str
        ``"cpu"``, ``"cuda"``, …
    examples : ExampleSettings
        What the examples look like.
    large_share : float
        Share of steps with patterns twice as large (and a fourth as many).
    third_pass : float
        Share of steps with three passes instead of two.
    later_passes : float
        Share of steps that leave the first pass out and start from a spoiled truth.
    rate : float
        Peak learning rate of the cosine schedule.
    ema : float
        Decay of the averaged weights.
    validate_every : int
        Steps between validations and checkpoints.
    bf16 : bool
        Run convolutions in bfloat16.
    seed : int
        Seed of weights and examples.
    """

    folder: Path
    channels: tuple[int, int, int] = (32, 64, 128)
    steps: int = 12_000
    minutes: float | None = None
    device: str = "cpu"
    examples: ExampleSettings = field(default_factory=ExampleSettings)
    large_share: float = 0.12
    third_pass: float = 0.35
    later_passes: float = 0.5
    rate: float = 1.5e-3
    ema: float = 0.999
    validate_every: int = 250
    bf16: bool = True
    seed: int = 0


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
    """Train `ptychonn-probe`; resume where an earlier run stopped.

    Yields
    ------
    Event
        :class:`Progress` per step, :class:`Metrics` per validation, and :class:`Finished`.
    """
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    device = torch.device(settings.device)
    network = ProbeAwareNet(settings.channels).to(device, memory_format=torch.channels_last)
    average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.rate, weight_decay=1e-4)
    checkpoint = settings.folder / "checkpoint.pt"
    step, seconds, metrics = 0, 0.0, {}
    if checkpoint.exists():
        state = load_checkpoint(checkpoint)
        network.load_state_dict(state["network"])
        average = {name: value.to(device) for name, value in state["average"].items()}
        optimiser.load_state_dict(state["optimiser"])
        step, seconds, metrics = state["step"], state["seconds"], state["metrics"]
        restore_random_state(rng, state["random"])
    validation = [batch.to(device) for batch in validation_fields(settings.examples)]
    started = time.monotonic()
    saved = started

    def save() -> None:
        save_checkpoint(
            checkpoint,
            {
                "network": network.state_dict(),
                "average": average,
                "optimiser": optimiser.state_dict(),
                "step": step,
                "seconds": seconds + time.monotonic() - started,
                "metrics": metrics,
                "random": random_state(rng),
                "settings": json.dumps(asdict(settings), default=str),
            },
        )

    stopped = False
    running = 0.0
    while step < settings.steps:
        spent = time.monotonic() - started
        stopped = should_stop() or (settings.minutes is not None and spent > settings.minutes * 60)
        if stopped:
            break
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * schedule(step, settings.steps)
        batch = make_fields(draw_examples(settings, rng), rng, sample=training_sample)
        later = rng.random() < settings.later_passes
        start = half_known(batch, rng).to(device) if later else None
        passes = 3 if rng.random() < settings.third_pass else 2
        passes -= later
        batch = batch.to(device)
        loss = torch.zeros((), device=device)
        for predicted in run_passes(
            network, batch, passes, autocast=settings.bf16, start=start
        ):
            error = patch_error(predicted, batch.truth, batch.weight)
            # The root weighs an easy, well-lit field as much as a dark one.
            loss = loss + (error.clamp_min(0) + 1e-3).sqrt().mean()
        optimiser.zero_grad(set_to_none=True)
        (loss / passes).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        step += 1
        decay = min(settings.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in network.state_dict().items():
                average[name].lerp_(value, 1 - decay)
        running += (float(loss.detach()) / passes - running) * (0.02 if step > 50 else 0.2)
        yield Progress("training", step, settings.steps)
        if step % settings.validate_every == 0 or step == settings.steps:
            metrics = validate(average, settings, validation)
            metrics["training loss"] = running
            total = seconds + time.monotonic() - started
            line = {"step": step, "seconds": round(total, 1), **metrics}
            with (settings.folder / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            save()
            saved = time.monotonic()
            yield Metrics(f"step {step}", metrics)
        elif time.monotonic() - saved > 60:
            save()
            saved = time.monotonic()
    save()
    yield Finished(Trained(average, step, metrics), stopped=stopped)


def schedule(step: int, steps: int, warmup: int = 200) -> float:
    """Learning rate as a share of its peak: linear warm-up, then a cosine to 1 %."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return float(0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * done)))


def draw_examples(settings: PretrainSettings, rng: np.random.Generator) -> ExampleSettings:
    """Examples of the next step: most of the usual size, some twice as large."""
    usual = settings.examples
    if rng.random() >= settings.large_share:
        return usual
    return replace(usual, size=2 * usual.size, fields=max(1, usual.fields // 4))


def training_sample(shape: tuple[int, int], rng: np.random.Generator) -> Any:
    """Sample of a kind that is not held out."""
    kinds = [kind for kind in SAMPLE_KINDS if kind not in HELD_OUT_SAMPLES]
    return make_sample(str(rng.choice(kinds)), shape, rng)


def validation_fields(usual: ExampleSettings) -> list[FieldBatch]:
    """Fixed fields: unseen samples of the trained kinds, and kinds held out, at three doses."""
    rng = np.random.default_rng(_VALIDATION_SEED)
    right = replace(usual, wrong_probe=0, gaps=0, background=0, second_mode=0)
    makers: list[Callable[..., Any]] = [
        training_sample,
        lambda shape, rng: make_sample(HELD_OUT_SAMPLES[0], shape, rng),
    ]
    return [
        make_fields(replace(right, photons=(dose, dose * 1.001)), rng, sample=maker)
        for maker in makers
        for dose in (1e3, 1e5)
    ]


@torch.no_grad()
def validate(
    weights: dict[str, Tensor], settings: PretrainSettings, batches: list[FieldBatch]
) -> dict[str, float]:
    """Root weighted squared error of passes 1 to 3 on every validation batch."""
    network = ProbeAwareNet(settings.channels).to(settings.device)
    network.load_state_dict(weights)
    network.eval().to(memory_format=torch.channels_last)
    names = ("seen kinds 1e3", "seen kinds 1e5", "held-out kind 1e3", "held-out kind 1e5")
    found = {}
    for name, batch in zip(names, batches, strict=True):
        for number, predicted in enumerate(
            run_passes(network, batch, 3, autocast=settings.bf16), start=1
        ):
            error = patch_error(predicted, batch.truth, batch.weight).clamp_min(0)
            found[f"{name} pass {number}"] = float(error.sqrt().mean())
    return found
