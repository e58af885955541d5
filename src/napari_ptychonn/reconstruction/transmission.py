"""How an object and a probe whose power nobody told share out the photons."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.reconstruction.events import Message, Snapshot
from napari_ptychonn.reconstruction.state import JobState

__all__ = ["amplification", "bound_transmission"]

_SHARE = 0.999
_ERRORS = 2.0
_WELL_LIT = 0.5
_MOST_VALUES = 2**22


def amplification(object_: Tensor, light: Tensor) -> float:
    """By what factor an object surely amplifies somewhere; 1 where it need not do so.

    A sample transmits all of the light at most. Where the power of the probe is a guess from
    the brightest patterns, no single pixel of which need be empty, the object may come out too
    bright: then as much goes over from object to probe as patterns allow either way.

    Parameters
    ----------
    object_ : Tensor, (H, W) complex64
        The object.
    light : Tensor, (H, W) float32
        Photons on each pixel.

    Returns
    -------
    float
        The 99.9 % quantile of |O| less twice its photon noise, √(1 / (2 light)), over the pixels
        with at least half of their mean light; 1 or more.
    """
    lit = light > 0
    if not bool(lit.any()):
        return 1.0
    bright = light > _WELL_LIT * light[lit].mean()
    surely = object_[bright].abs() - _ERRORS * (0.5 / light[bright]).sqrt()
    # torch takes the quantile of so many values at most.
    some = surely[:: 1 + len(surely) // _MOST_VALUES]
    return max(1.0, float(torch.quantile(some, _SHARE)))


def bound_transmission(state: JobState) -> Iterator[Message | Snapshot]:
    """Let the object of a job amplify nowhere, where nobody told the power of the probe.

    Patterns stay as they are: what the object loses, the probe gains.

    Parameters
    ----------
    state : JobState
        Its object, probe and light may get a factor.

    Yields
    ------
    Message, Snapshot
        Where they did.
    """
    job = state.job
    if not job.power_is_guess or job.start is not None or state.probe is None:
        return
    if state.object is None or not isinstance(job.network.module, ProbeAwareNet):
        return
    factor = amplification(state.object, state.light)
    if factor == 1:
        return
    state.object, state.probe = state.object / factor, state.probe * factor
    state.light = state.light * factor**2
    yield Message(
        "The power of the probe is not known: it was set so that the object amplifies nowhere "
        f"(its amplitude was divided by {factor:.3g})."
    )
    yield state.snapshot("scale")
