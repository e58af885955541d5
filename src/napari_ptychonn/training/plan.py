"""From settings and scans to how a network is taught: lesson, optimiser, length."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.network.ptychonn import PtychoNN
from napari_ptychonn.network.weights import Network
from napari_ptychonn.training.finetune_settings import FinetuneSettings, Frozen
from napari_ptychonn.training.lesson import Lesson
from napari_ptychonn.training.pattern_lesson import Mix, PatternLesson
from napari_ptychonn.training.probe_lesson import ProbeLesson
from napari_ptychonn.training.run import TrainingRun, cosine
from napari_ptychonn.training.taught import TaughtScan

__all__ = ["Plan", "make_plan", "rate_of"]

_WARMUP = 20
_RATES = {"ptychonn-probe": 1e-3, "ptychonn": 5e-4}
_ENCODERS = {
    "ptychonn-probe": ("stem", "down_fine", "to_middle", "down_middle", "to_coarse", "coarse"),
    "ptychonn": ("encoder",),
}
_MANY_LOOKS = Mix(computed=0.75, free=0.5)
"""A GPU shows every measured pattern a hundred times: enough to be learned by heart."""
_BATCHES = {"cpu": 16, "cuda": 128}
"""Patterns of 64×64 per step of a `ptychonn`. On a processor a step costs what its patterns
cost: more and smaller steps learn faster (held-out error 0.157 with 16 patterns, 0.195 with
64, after the same few minutes). A GPU's step costs what it takes to start its kernels."""
_PUBLISHED_BATCH = 64
_PUBLISHED_HALF_CYCLE = 6
_PUBLISHED_RATES = (1e-4, 1e-3)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a network is taught.

    Attributes
    ----------
    lesson : Lesson
        What it learns from.
    run : TrainingRun
        Network and optimiser.
    """

    lesson: Lesson
    run: TrainingRun


def make_plan(
    network: Network,
    scans: list[TaughtScan],
    settings: FinetuneSettings,
    steps: Callable[[], int | None],
    setbacks: Callable[[], int],
) -> Plan:
    """Choose lesson, batch, optimiser and learning rate.

    Parameters
    ----------
    network : Network
        To start from, on its device.
    scans : list of TaughtScan
        What teaches.
    settings : FinetuneSettings
        How.
    steps : callable
        Steps of the whole training; None while they are not known.
    setbacks : callable
        How often the loss was not finite: every time the rate is halved.

    Raises
    ------
    SettingsError
        Teacher or preset do not fit the network.
    """
    module, family = network.module, network.card.family
    published = settings.preset == "published"
    if published and family != "ptychonn":
        raise SettingsError(
            "preset", None, f"the published recipe is for networks of the family ptychonn, and "
            f"'{network.card.name}' is one of {family}",
            remedy="choose the preset 'own', or the network ptychonn",
        )  # fmt: skip
    for scan in scans:
        if settings.teacher == "physics" and scan.probe is None:
            raise SettingsError(
                "teacher", scan.scan.provenance.path,
                "without labels a probe must be known, on the grid of the network's patches",
                remedy="give the scan a probe, or teach by a reconstruction",
            )  # fmt: skip
    batch = settings.batch_size or (
        _PUBLISHED_BATCH if published else _default_batch(scans, family)
    )
    lesson: Lesson
    if isinstance(module, ProbeAwareNet):
        lesson = ProbeLesson(scans, batch)
    else:
        assert isinstance(module, PtychoNN)
        on_gpu = scans[0].prepared.device.type == "cuda"
        lesson = PatternLesson(
            scans, network.card, batch, published=published,
            mix=_MANY_LOOKS if on_gpu else None, by_labels=settings.teacher != "physics",
        )  # fmt: skip
    learning = _learning(module, family, settings.frozen)
    peak = rate_of(settings, family)

    def rate_at(step: int) -> float:
        halved = 0.5 ** setbacks()
        total = steps()
        if published and settings.rate is None:
            points = sum(len(scan.teaching) for scan in scans)
            return halved * _triangle(step, _PUBLISHED_HALF_CYCLE * math.ceil(points / batch))
        if total is None:  # Still in the first round.
            return halved * peak * min(1.0, (step + 1) / _WARMUP)
        return halved * peak * cosine(step, total, warmup=min(_WARMUP, total // 4 + 1))

    optimiser: torch.optim.Optimizer
    if published:
        optimiser = torch.optim.Adam(learning, lr=peak)
    else:
        fused = learning[0].is_cuda
        optimiser = torch.optim.AdamW(learning, lr=peak, weight_decay=1e-4, fused=fused)
    return Plan(lesson, TrainingRun(module, optimiser, rate_at, ema=0.0 if published else 0.98))


def rate_of(settings: FinetuneSettings, family: str) -> float:
    """Peak learning rate."""
    return settings.rate if settings.rate is not None else _RATES[family]


def _triangle(step: int, half_cycle: int) -> float:
    """Triangular cyclic learning rate of the published recipe."""
    low, high = _PUBLISHED_RATES
    place = step / max(1, half_cycle) % 2
    return low + (high - low) * (place if place < 1 else 2 - place)


def _default_batch(scans: list[TaughtScan], family: str) -> int:
    prepared = scans[0].prepared
    height, width = prepared.frame.patch_shape
    usual = _BATCHES.get(prepared.device.type, 64) if family == "ptychonn" else 64
    return max(4, min(max(64, usual), usual * 64 * 64 // (height * width)))


def _learning(module: nn.Module, family: str, frozen: Frozen) -> list[nn.Parameter]:
    """Parameters that learn; the others are told not to."""
    for name, parameter in module.named_parameters():
        encodes = name.split(".")[0] in _ENCODERS[family]
        parameter.requires_grad_(frozen == "nothing" or encodes == (frozen == "decoder"))
    return [parameter for parameter in module.parameters() if parameter.requires_grad]
