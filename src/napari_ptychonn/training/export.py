"""From a training's outcome to the card of the network file."""

from __future__ import annotations

import datetime
from dataclasses import asdict

from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.folders import resolve
from napari_ptychonn.network.weights import read_card
from napari_ptychonn.training.drawn_samples import HELD_OUT_SAMPLES
from napari_ptychonn.training.pattern_recipe import PatternRecipe
from napari_ptychonn.training.pretrain import PretrainSettings, Trained

__all__ = ["trained_card"]


def trained_card(trained: Trained, settings: PretrainSettings, name: str) -> NetworkCard:
    """The card of a network that :func:`~napari_ptychonn.training.pretrain.pretrain` made.

    Parameters
    ----------
    trained : Trained
        Its outcome.
    settings : PretrainSettings
        How it was made.
    name : str
        Name in lists.
    """
    told = {
        key: value
        for key, value in asdict(settings).items()
        if key not in ("folder", "start", "workers")
    }
    if settings.start is not None:
        parent = read_card(resolve(settings.start))
        told["started_from"] = {"name": parent.name, "training": dict(parent.training)}
    training = {
        **told,
        "steps_done": trained.step,
        "held_out_samples": list(HELD_OUT_SAMPLES),
        "data": "simulated on the fly",
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
    }
    metrics = {case: round(value, 4) for case, value in trained.metrics.items()}
    if settings.family == "ptychonn":
        return NetworkCard(
            name=name,
            family="ptychonn",
            pattern_size=64,
            preprocessing=PatternRecipe.preprocessing,
            training={**training, "setup": PatternRecipe.setup},
            metrics=metrics,
            limits=f"knows the probe of the sample scan {PatternRecipe.setup} alone: a start for "
            "fine-tuning on one's own setup",
        )
    return NetworkCard(
        name=name,
        family="ptychonn-probe",
        architecture={"channels": list(settings.channels), "blocks": settings.blocks},
        needs_probe=True,
        training=training,
        metrics=metrics,
        limits="far field; samples and probes unlike the simulated ones need a fine-tuning",
    )
