"""X-ray ptychography with neural networks, in napari, in the shell and in Python.

The public names below are imported on first use, so that napari can look at the
package without paying for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_ptychonn.network.weights import load_network
    from napari_ptychonn.reconstruction.job import reconstruct, reconstruct_events
    from napari_ptychonn.reconstruction.orient import find_orientation
    from napari_ptychonn.reconstruction.orientation_search import OrientationSearch
    from napari_ptychonn.reconstruction.result import Reconstruction
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings
    from napari_ptychonn.scan.model import Scan
    from napari_ptychonn.scan.open import open_scan
    from napari_ptychonn.scan.options import ScanOptions
    from napari_ptychonn.scan.results.open import open_result
    from napari_ptychonn.simulation.settings import SimulationSettings
    from napari_ptychonn.simulation.simulate import simulate
    from napari_ptychonn.training.finetune import finetune, finetune_events
    from napari_ptychonn.training.finetune_events import FineTuned
    from napari_ptychonn.training.finetune_settings import FinetuneSettings

__all__ = [
    "FineTuned",
    "FinetuneSettings",
    "OrientationSearch",
    "Reconstruction",
    "ReconstructionSettings",
    "Scan",
    "ScanOptions",
    "SimulationSettings",
    "__version__",
    "find_orientation",
    "finetune",
    "finetune_events",
    "load_network",
    "open_result",
    "open_scan",
    "reconstruct",
    "reconstruct_events",
    "simulate",
]

__version__ = "0.1.0"

_HOME = {
    "FineTuned": "training.finetune_events",
    "FinetuneSettings": "training.finetune_settings",
    "OrientationSearch": "reconstruction.orientation_search",
    "Reconstruction": "reconstruction.result",
    "ReconstructionSettings": "reconstruction.settings",
    "Scan": "scan.model",
    "ScanOptions": "scan.options",
    "SimulationSettings": "simulation.settings",
    "find_orientation": "reconstruction.orient",
    "finetune": "training.finetune",
    "finetune_events": "training.finetune",
    "load_network": "network.weights",
    "open_result": "scan.results.open",
    "open_scan": "scan.open",
    "reconstruct": "reconstruction.job",
    "reconstruct_events": "reconstruction.job",
    "simulate": "simulation.simulate",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
