"""What a checkpoint must agree in with the training that goes on from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.results.result import ObjectResult
from napari_ptychonn.training.finetune_settings import FinetuneSettings

__all__ = ["told"]


def told(
    settings: FinetuneSettings,
    scans: Sequence[Scan],
    labels: Sequence[ObjectResult],
    weights: Mapping[str, Tensor],
) -> str:
    """Settings but for the device, and fingerprints of scans, labels and first weights.

    Patterns are not looked at.

    Returns
    -------
    str
        JSON.
    """
    agreed = settings.as_dict() | {
        "device": None,
        "scans": [[scan.name, scan.n_points, _of_scan(scan)] for scan in scans],
        "labels": [_print((each.pixel, each.unit, each.corner), each.object) for each in labels],
        "weights": _of_weights(weights),
    }
    return json.dumps(agreed, sort_keys=True)


def _of_scan(scan: Scan) -> str:
    said = (scan.unit, scan.pixel_m, scan.pattern_shape, scan.provenance.orientation)
    return _print(said, scan.positions, scan.mask)


def _of_weights(weights: Mapping[str, Tensor]) -> str:
    names = sorted(weights)
    return _print(names, *(weights[name].cpu().numpy() for name in names))


def _print(said: object, *arrays: np.ndarray) -> str:
    found = hashlib.blake2b(repr(said).encode(), digest_size=16)
    for array in arrays:
        found.update(repr((array.shape, array.dtype.str)).encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()
