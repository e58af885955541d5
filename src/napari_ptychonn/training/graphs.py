"""Recordings of GPU work that is done again and again on tensors of the same shapes.

A sweep over small fields is some thousand small kernels, and launching them takes several
times as long as they run. A CUDA graph launches them all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Graphs"]

Tensors = tuple[Tensor, ...]
Work = Callable[..., Tensors]

_WARM_UPS = 2


@dataclass(frozen=True, slots=True)
class _Recording:
    graph: torch.cuda.CUDAGraph
    inputs: Tensors
    outputs: Tensors


class Graphs:
    """Records a kind of work the first time, and replays it afterwards."""

    def __init__(self) -> None:
        self._recordings: dict[Hashable, _Recording] = {}

    def run(self, work: Work, kind: Hashable, given: Tensors) -> Tensors:
        """What `work` gives, computed on the GPU where the tensors are.

        Parameters
        ----------
        work : callable
            From tensors to tensors, without random numbers, and without looking at values.
        kind : hashable
            Together with the shapes it tells one kind of work from another.
        given : tuple of Tensor
            Its arguments.
        """
        key = (kind, *(tuple(each.shape) for each in given))
        found = self._recordings.get(key)
        if found is None:
            found = self._recordings[key] = _record(work, given)
        for kept, each in zip(found.inputs, given, strict=True):
            kept.copy_(each)
        found.graph.replay()
        return tuple(each.clone() for each in found.outputs)


def _record(work: Work, given: Tensors) -> _Recording:
    inputs = tuple(each.clone() for each in given)
    here = torch.cuda.current_stream()
    aside = torch.cuda.Stream()
    aside.wait_stream(here)
    with torch.cuda.stream(aside):
        # Plans and workspaces are made now: nothing may be made while it is recorded.
        for _ in range(_WARM_UPS):
            work(*inputs)
    here.wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = work(*inputs)
    return _Recording(graph, inputs, outputs)
